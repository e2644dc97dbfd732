"""Outlines of defects: polygons and run lengths, painted into a map of classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

_MAX_PIXELS = 100_000_000
_ROUNDING = 1e-3  # pixels

Bounds = tuple[int, int, int, int]  # x, y, width, height


@dataclass(frozen=True, slots=True)
class Polygons:
    """Closed polygons, each x1, y1, x2, y2, … in pixels. A pixel belongs to the shape if it lies in any of them."""

    points: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Runs:
    """Run lengths over a rectangle, in turn of good and defect pixels, beginning with good ones.

    COCO counts down the columns of the whole picture; CVAT along the rows of a box at ``x``, ``y``.
    """

    counts: tuple[int, ...]
    height: int
    width: int
    x: int = 0
    y: int = 0
    by_column: bool = True

    def mask(self) -> npt.NDArray[np.bool_]:
        """(height, width)"""
        values = np.arange(len(self.counts)) % 2 == 1
        flat = np.repeat(values, self.counts)
        return flat.reshape(self.width, self.height).T if self.by_column else flat.reshape(self.height, self.width)


Shape = Polygons | Runs


def polygons(points: Sequence[Sequence[float]]) -> Polygons:
    """Raises ``ValueError`` unless each polygon has at least three points with finite coordinates."""
    found = tuple(tuple(float(value) for value in one) for one in points)
    for one in found:
        if len(one) < 6 or len(one) % 2 or not all(math.isfinite(v) and abs(v) < 1e6 for v in one):
            raise ValueError("a polygon needs at least three points, x and y of each, in pixels")
    if not found:
        raise ValueError("a shape needs at least one polygon")
    return Polygons(found)


def rectangle(x: float, y: float, width: float, height: float, degrees: float = 0.0) -> Polygons:
    """A rectangle that is turned clockwise about its top left corner, as Label Studio does."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    return polygons([[c for dx, dy in corners for c in (x + dx * cos - dy * sin, y + dx * sin + dy * cos)]])


def turned(x: float, y: float, width: float, height: float, degrees: float) -> Polygons:
    """A rectangle that is turned clockwise about its centre, as CVAT does."""
    angle = math.radians(degrees)
    dx, dy = width / 2, height / 2
    left = x + dx - dx * math.cos(angle) + dy * math.sin(angle)
    top = y + dy - dx * math.sin(angle) - dy * math.cos(angle)
    return rectangle(left, top, width, height, degrees)


def runs(counts: Sequence[int] | str, height: int, width: int) -> Runs:
    """COCO's run lengths, as numbers or in its text form. Raises ``ValueError`` unless they fill height × width."""
    if isinstance(counts, str):
        counts = _from_text(counts)
    return checked(Runs(tuple(int(count) for count in counts), height, width))


def checked(shape: Runs) -> Runs:
    """``shape``, if its runs fill its rectangle exactly; otherwise raises ``ValueError``."""
    if not (0 < shape.height * shape.width <= _MAX_PIXELS and shape.height > 0):
        raise ValueError(f"run lengths over {shape.height}×{shape.width} pixels; at most {_MAX_PIXELS:,} pixels")
    if any(count < 0 for count in shape.counts) or sum(shape.counts) != shape.height * shape.width:
        raise ValueError(
            f"run lengths add up to {sum(shape.counts):,}, not to {shape.height}×{shape.width} pixels; export again"
        )
    return shape


def bounds(shape: Shape) -> Bounds | None:
    """The smallest box around the shape; None if the shape has no pixel."""
    if isinstance(shape, Polygons):
        xs = [v for one in shape.points for v in one[::2]]
        ys = [v for one in shape.points for v in one[1::2]]
        return enclosing(min(xs), min(ys), max(xs), max(ys))
    mask = shape.mask()
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not len(rows):
        return None
    left, top = int(columns[0]), int(rows[0])
    return shape.x + left, shape.y + top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1


def enclosing(left: float, top: float, right: float, bottom: float) -> Bounds:
    """The whole pixels that a box with these edges touches, by more than rounding; at least one."""
    x, y = math.floor(left + _ROUNDING), math.floor(top + _ROUNDING)
    return x, y, max(math.ceil(right - _ROUNDING) - x, 1), max(math.ceil(bottom - _ROUNDING) - y, 1)


def paint(target: npt.NDArray[np.uint8], shape: Shape, value: int) -> None:
    """Set the pixels of ``shape`` in ``target`` (H, W) to ``value``. Parts outside are cut off."""
    if isinstance(shape, Polygons):
        inside = np.zeros(target.shape, np.uint8)
        for one in shape.points:  # one by one: where two overlap, fillPoly would leave a hole
            cv2.fillPoly(inside, [np.round(np.reshape(one, (-1, 2))).astype(np.int32)], 1)
        target[inside > 0] = value
        return
    top, left = max(shape.y, 0), max(shape.x, 0)
    part = target[top : shape.y + shape.height, left : shape.x + shape.width]
    mask = shape.mask()[top - shape.y :, left - shape.x :][: part.shape[0], : part.shape[1]]
    part[mask] = value


def _from_text(text: str) -> list[int]:
    """COCO's compressed counts: six bits a character from '0' on, the lowest five first, the sixth says that more
    follow; from the fourth count on, the difference to the count before the last.

    Source: rleFrString in maskApi.c of https://github.com/cocodataset/cocoapi.
    """
    counts: list[int] = []
    value = place = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or place > 12:
            raise ValueError("these are not COCO's compressed run lengths")
        value |= (bits & 31) << 5 * place
        place += 1
        if not bits & 32:
            if bits & 16:
                value -= 1 << 5 * place
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value = place = 0
    if place:
        raise ValueError("COCO's compressed run lengths are cut off")
    return counts
