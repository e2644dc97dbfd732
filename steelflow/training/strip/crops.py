"""Training views: squares cut from annotated pictures at about native scale, with the class of every pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

UNKNOWN = 255
"""The class of a pixel that nobody annotated."""

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a view is cut: its side in pixels, the largest change of scale, and the mirrors and turns allowed."""

    side: int = 256
    scale: float = 0.2  # factor from 1 / (1 + this) to 1 + this
    flips: bool = True
    quarter_turns: bool = False  # off: the rolling direction helps


def cut_view(
    grey: Pixels, labels: Pixels, geometry: Geometry, rng: np.random.Generator, towards: tuple[int, int] | None = None
) -> tuple[Pixels, Pixels]:
    """A random view, uint8 (S, S), and its labels (S, S).

    Args:
        towards: a pixel (row, column) that the view must show; any place will do without it.
    """
    factor = float(np.exp(rng.uniform(-1, 1) * np.log1p(geometry.scale)))
    wanted = max(8, round(geometry.side / factor))
    top, left = (
        _start(length, wanted, None if towards is None else towards[axis], rng)
        for axis, length in enumerate(grey.shape)
    )
    part, known = (whole[top : top + wanted, left : left + wanted] for whole in (grey, labels))
    below, right = wanted - part.shape[0], wanted - part.shape[1]
    if below or right:
        above, before = int(rng.integers(below + 1)), int(rng.integers(right + 1))
        edges = (above, below - above), (before, right - before)
        part, known = np.pad(part, edges, mode="symmetric"), np.pad(known, edges, mode="symmetric")
    if wanted != geometry.side:
        size, way = (geometry.side, geometry.side), cv2.INTER_AREA if wanted > geometry.side else cv2.INTER_LINEAR
        part = np.asarray(cv2.resize(part, size, interpolation=way), np.uint8)
        known = np.asarray(cv2.resize(known, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    return _turned(part, known, geometry, rng)


def _start(length: int, wanted: int, towards: int | None, rng: np.random.Generator) -> int:
    last = max(0, length - wanted)
    if towards is None:
        return int(rng.integers(last + 1))
    margin = min(wanted // 16, length // 2)
    low, high = max(0, towards - wanted + 1 + margin), min(last, towards - margin)
    return int(rng.integers(min(low, last), max(high, min(low, last)) + 1))


def _turned(part: Pixels, known: Pixels, geometry: Geometry, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    way = int(rng.integers(8))
    if geometry.flips and way & 1:
        part, known = part[:, ::-1], known[:, ::-1]
    if geometry.flips and way & 2:
        part, known = part[::-1], known[::-1]
    if geometry.quarter_turns and way & 4:
        part, known = part.T, known.T
    return np.ascontiguousarray(part), np.ascontiguousarray(known)


def cells_of(labels: Pixels, good: tuple[int, ...], classes: int, cell: int = 8, share: float = 0.12) -> Pixels:
    """The class of each cell, (S / cell, S / cell): a defect's where it covers ``share`` of the cell or more, the good
    class where no pixel is a defect or unknown, and ``UNKNOWN`` otherwise."""
    rows, columns = labels.shape[0] // cell, labels.shape[1] // cell
    blocks = labels[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell)
    present = [int(c) for c in np.unique(labels)]
    found = np.full((rows, columns), UNKNOWN, np.uint8)
    for label in present:
        if label in good:
            found[(blocks == label).all(axis=(1, 3))] = label
    most = np.full((rows, columns), share - 1e-9)
    for label in present:
        if label not in good and label < classes:
            covered = (blocks == label).mean(axis=(1, 3))
            found[covered > most] = label
            most = np.maximum(most, covered)
    return found
