"""The views of a frame: overlapping squares at native scale that cover all of it."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from steelflow.images.decode import Grey, resize

_ALIGNED = 8  # pixels: views begin at multiples, so that the cells of neighbouring views lie on each other


@lru_cache(maxsize=64)
def starts(length: int, side: int, overlap: float) -> tuple[int, ...]:
    """The first pixels of the views along one side of a frame of ``length`` pixels, evenly spread.

    Neighbours share at least ``overlap`` of ``side``. A frame shorter than a view has one view.
    """
    if length <= side:
        return (0,)
    step = max(1, math.floor(side * (1 - overlap)))
    count = math.ceil((length - side) / step) + 1
    places = np.linspace(0, length - side, count)
    unit = _ALIGNED if min(step, side - step) >= _ALIGNED else 1  # moved by less than the overlap: no gap
    inner = np.floor(places[:-1] / unit) * unit
    return tuple(dict.fromkeys([*(int(place) for place in inner), length - side]))


def grid(height: int, width: int, side: int, overlap: float) -> list[tuple[int, int]]:
    """The views of a frame: first row and first column of each, in reading order."""
    columns = starts(width, side, overlap)
    return [(top, left) for top in starts(height, side, overlap) for left in columns]


def padded(grey: Grey, side: int) -> Grey:
    """The frame, mirrored beyond its lower and right border to at least ``side`` pixels in both directions."""
    height, width = grey.shape
    if height >= side and width >= side:
        return grey
    below, right = max(0, side - height), max(0, side - width)
    return np.asarray(np.pad(grey, ((0, below), (0, right)), mode="symmetric"), np.uint8)


def cut(grey: Grey, top: int, left: int, side: int, out: Grey) -> None:
    """Copy one view to ``out``, uint8 (S, S); it is resized if S is not ``side``."""
    view = grey[top : top + side, left : left + side]
    if out.shape == view.shape:
        np.copyto(out, view)
    else:
        resize(view, out.shape[0], out)
