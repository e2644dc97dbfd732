"""Views to learn good strip from: squares at random places of the frames, at native scale, as inspection cuts them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steelflow.begin.sample import Frame
from steelflow.config import FrameSettings
from steelflow.images.decode import Grey, resize

SIDE = 224
"""Side of the model's input."""

VIEWS = 1200
_OFF = 0.5  # share of a view off the strip above which it is not taken

Pictures = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Views:
    """``pictures`` uint8 (N, S, S), the number of each one's group, and the side of a view in pixels of the frame;
    None where frames are judged as a whole."""

    pictures: Pictures
    groups: npt.NDArray[np.intp]
    side: int | None


def cut_views(frames: Iterable[Frame], settings: FrameSettings | None, wanted: int, seed: int = 0) -> Views:
    """Views of ``frames``, ``wanted`` in all: as many of each frame. One, the whole frame, where frames are judged as a
    whole.

    The side is that of the first line's settings, ``SIDE`` if they have none.
    """
    rng = np.random.default_rng(seed)
    taken: list[list[Pictures]] = []
    groups: list[int] = []
    names: dict[str, int] = {}
    sides: set[int | None] = set()
    for frame in frames:
        of_line = settings.of(frame.line) if settings is not None else None
        whole = of_line is None or of_line.judged == "whole"
        side = None if of_line is None or whole else of_line.view or SIDE
        sides.add(side)
        background = None if of_line is None else of_line.background
        views = [resize(frame.grey, SIDE)] if side is None else _random(frame.grey, side, _MOST, background, rng)
        if views:
            taken.append(views)
            groups.append(names.setdefault(frame.group, len(names)))
    each = max(1, round(wanted / max(len(taken), 1)))
    pictures = [view for views in taken for view in views[:each]]
    of = [group for views, group in zip(taken, groups, strict=True) for _ in views[:each]]
    return Views(np.stack(pictures), np.array(of, np.intp), min((s for s in sides if s), default=None))


_MOST = 8  # views of a frame that are held until the number of frames is known


def _random(grey: Grey, side: int, count: int, background: int | None, rng: np.random.Generator) -> list[Pictures]:
    height, width = grey.shape
    below, right = max(0, side - height), max(0, side - width)
    grey = np.pad(grey, ((0, below), (0, right)), mode="symmetric") if below or right else grey
    found = []
    for _ in range(count):
        top, left = (int(rng.integers(length - side + 1)) for length in grey.shape)
        view = grey[top : top + side, left : left + side]
        if background is None or (view <= background).mean() <= _OFF:
            found.append(resize(np.ascontiguousarray(view), SIDE))
    return found
