"""Views to learn good strip from, cut from frames as inspection cuts them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steelflow.begin.sample import Frame
from steelflow.config import FrameSettings, LineFrame
from steelflow.errors import DataError
from steelflow.frames.background import fill, in_view, off_strip
from steelflow.frames.views import cut, grid, padded
from steelflow.images.decode import Grey, resize

SIDE = 224
"""Side of the model's input, and of a view in pixels of the frame unless the settings have another."""

VIEWS = 1200
_OF_A_FRAME = 8  # views, at most
_STRIP = 0.5  # share of a view that must be strip

Pictures = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Views:
    """``pictures`` uint8 (N, S, S), the number of each one's group, and the side of a view in pixels of the frame;
    None where images are judged as a whole."""

    pictures: Pictures
    groups: npt.NDArray[np.intp]
    side: int | None


def cut_views(frames: Iterable[Frame], settings: FrameSettings | None, wanted: int = VIEWS, seed: int = 0) -> Views:
    """About ``wanted`` views, as many of every frame; the whole image where the settings have no frames, or say so.

    Raises:
        DataError: lines have views of different sides: one model cannot be fitted on them.
    """
    rng = np.random.default_rng(seed)
    taken: list[list[Pictures]] = []
    groups: list[int] = []
    names: dict[str, int] = {}
    sides: set[int | None] = set()
    for frame in frames:
        how = None if settings is None else settings.of(frame.line)
        side = None if how is None or how.judged == "whole" else how.view or SIDE
        sides.add(side)
        most = max(1, min(_OF_A_FRAME, math.ceil(wanted / (len(taken) + 1))))  # fewer, as frames turn out to be many
        views = [resize(frame.grey, SIDE)] if how is None or side is None else _views(frame.grey, how, side, most, rng)
        if views:
            taken.append(views)
            groups.append(names.setdefault(frame.group, len(names)))
    if len(sides) > 1:
        raise DataError("lines whose frames are judged in different ways need a model each; choose with --lines")
    each = max(1, round(wanted / max(len(taken), 1)))
    pictures = [view for views in taken for view in views[:each]]
    numbers = [number for views, number in zip(taken, groups, strict=True) for _ in views[:each]]
    stacked = np.stack(pictures) if pictures else np.empty((0, SIDE, SIDE), np.uint8)
    return Views(stacked, np.array(numbers, np.intp), next(iter(sides), None))


def _views(grey: Grey, how: LineFrame, side: int, most: int, rng: np.random.Generator) -> list[Pictures]:
    """At most ``most`` views of a frame, in random order, with the area off the strip filled."""
    off = None if how.background is None else off_strip(grey, how.background)
    whole = padded(grey, side)
    height, width = whole.shape
    places = grid(height, width, side, how.overlap)
    found: list[Pictures] = []
    for number in rng.permutation(len(places)):
        top, left = places[number]
        hidden = None if off is None else in_view(off, top, left, side, SIDE)
        if hidden is not None and hidden.mean() > 1 - _STRIP:
            continue
        view = np.empty((SIDE, SIDE), np.uint8)
        cut(whole, top, left, side, view)
        if hidden is not None and hidden.any():
            fill(view, hidden)
        found.append(view)
        if len(found) == most:
            break
    return found
