"""The area off the strip: dark, and connected to the border of the frame."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from steelflow.images.decode import Grey

CELL = 8
"""Side of a cell in pixels. The mean of a cell decides, so that noise does not."""
_BORDER = 2  # outermost pixels that decide as well: a strip that ends a few pixels before the border darkens no cell

Mask = npt.NDArray[np.bool_]


def off_strip(grey: Grey, level: int) -> Mask | None:
    """Cells of ``CELL`` pixels, (⌈H/8⌉, ⌈W/8⌉), that are off the strip; None if there are none.

    A cell is off the strip if its mean is at most ``level`` and it is connected to the frame's border by such cells. A
    dark defect inside the strip is not. The cells beside it, which see the strip's edge, are off the strip as well, and
    so are the cells at a dark part of the border that is narrower than a cell.
    """
    height, width = grey.shape
    size = (math.ceil(width / CELL), math.ceil(height / CELL))
    whole = height % CELL == width % CELL == 0  # by two first: OpenCV does that with vectors, in a tenth of the time
    halved = cv2.resize(grey, (width // 2, height // 2), interpolation=cv2.INTER_AREA) if whole else grey
    means = cv2.resize(halved, size, interpolation=cv2.INTER_AREA)
    dark = np.zeros((size[1] + 2, size[0] + 2), np.uint8)  # with one cell more on each side, for the border's pixels
    dark[1:-1, 1:-1] = means <= level
    dark[0, 1:-1], dark[-1, 1:-1] = (_means(part, size[0]) <= level for part in (grey[:_BORDER], grey[-_BORDER:]))
    dark[1:-1, 0], dark[1:-1, -1] = (
        _means(np.ascontiguousarray(part.T), size[1]) <= level for part in (grey[:, :_BORDER], grey[:, -_BORDER:])
    )
    if not dark.any():
        return None
    count, areas = cv2.connectedComponents(dark, connectivity=4)
    touching = np.zeros(count, bool)
    for border in (areas[:2], areas[-2:], areas[:, :2], areas[:, -2:]):
        touching[border] = True
    touching[0] = False
    off = touching[areas]
    if not off.any():
        return None
    grown = cv2.dilate(off.astype(np.uint8), np.ones((3, 3), np.uint8))
    return np.asarray(grown[1:-1, 1:-1] > 0)


def _means(line: Grey, cells: int) -> Grey:
    """The means of equal parts of a line of pixels, (B, N) to (``cells``,)."""
    return np.asarray(cv2.resize(line, (cells, 1), interpolation=cv2.INTER_AREA)[0])


def fill(view: Grey, off: Mask) -> None:
    """Replace the pixels off the strip by the mean of the others, in place; ``off`` is (S, S)."""
    on = ~off
    np.multiply(view, on, out=view)
    count = np.count_nonzero(on)
    view += off * np.uint8(round(cv2.sumElems(view)[0] / count) if count else 128)


def in_view(off: Mask, top: int, left: int, side: int, size: int) -> Mask | None:
    """The part of ``off`` (cells) that a view of ``side`` pixels sees, as a mask of size × size. None: it sees none."""
    below, right = math.ceil((top + side) / CELL), math.ceil((left + side) / CELL)
    if not off[top // CELL : below, left // CELL : right].any():  # most views, and masks take time
        return None
    rows = np.minimum((top + (np.arange(size) + 0.5) * side / size) // CELL, off.shape[0] - 1).astype(np.intp)
    columns = np.minimum((left + (np.arange(size) + 0.5) * side / size) // CELL, off.shape[1] - 1).astype(np.intp)
    seen = off.take(columns, 1).take(rows, 0)
    return seen if seen.any() else None
