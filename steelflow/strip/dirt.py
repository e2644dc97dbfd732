"""Dirt on a camera: a mark at one place of the frame, in frame after frame, whatever part of the strip they show.

On the strip such a mark repeats with the distance of the frames, as if a roll of that circumference left it. A mark of
a roll moves from frame to frame, unless its period is a whole number of frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelflow.strip.lanes import Floats, Ints, Limits
from steelflow.strip.periods import log_tail

CELL = 8.0
"""Pixels. A box of a region is not known better than to a cell of a map."""
_PLACES = 64  # places of a frame that are tried
_LONGEST = 0.5  # of a frame: what is longer, such as a scratch along the strip, has its centre at one place by itself
_EVERY = 0.9  # share of the marks in every second (third, …) frame that makes them marks of a roll
_FEWEST = 0.5  # share of the frames between the first and the last that show the dirt


@dataclass(frozen=True, slots=True)
class Dirt:
    """``regions`` are the numbers of the regions, in the order of the frames. ``frames`` counts the frames from the
    first to the last of them, ``log_p`` is the logarithm of the probability that chance puts them there."""

    regions: Ints
    frames: int
    log_p: float


def dirt_of(
    along: Floats, place: Floats, length: Floats, scale: Floats, step: float, limits: Limits, chance: float = 0.05
) -> list[Dirt]:
    """Dirt among the regions of one camera and coil.

    Args:
        along: millimetres along the strip, of each region, (N,).
        place: its centre in the frame, (N, 2) pixels.
        length: millimetres along the strip, (N,).
        scale: millimetres per pixel, (N,).
        step: millimetres from a frame to the next.
        chance: probability of random regions to be called dirt.
    """
    near = limits.position / float(np.median(scale)) if len(scale) else CELL
    near = max(near, CELL)
    free = length <= _LONGEST * step
    share = min(2 * near * float(np.median(scale)) / step, 1.0) if len(scale) else 1.0
    found = []
    for centre in _candidates(place[free], near):
        here = np.flatnonzero(free & (np.abs(place - centre).max(axis=1) <= near))
        if len(here) < limits.marks:
            continue
        here = np.flatnonzero(free & (np.abs(place - np.median(place[here], axis=0)).max(axis=1) <= near))
        number = np.rint((along[here] - along[here].min(initial=0.0)) / step).astype(np.intp)
        number, first = np.unique(number, return_index=True)
        frames = int(number[-1]) + 1 if len(number) else 0
        if len(number) < max(limits.marks, _FEWEST * frames) or _of_a_roll(number):
            continue
        log_p = float(log_tail(frames - 1, np.array([len(number) - 1]), np.array([share]))[0])
        if log_p + np.log(_PLACES) <= np.log(chance):
            found.append(Dirt(here[first], frames, log_p + float(np.log(_PLACES))))
            free[here] = False
    return found


def _candidates(place: Floats, near: float) -> Iterator[Floats]:
    """The places of a frame that have most regions."""
    bins, inverse, counts = np.unique(np.floor(place / near), axis=0, return_inverse=True, return_counts=True)
    for number in np.argsort(-counts, kind="stable")[: min(_PLACES, len(bins))]:
        yield np.median(place[inverse.ravel() == number], axis=0)


def _of_a_roll(number: NDArray[np.intp]) -> bool:
    """Whether the marks are in every second, third, … frame only. ``number`` ascends."""
    longest = int(np.diff(number).max(initial=1))
    return any(
        np.bincount(number % every).max() >= _EVERY * len(number) and every > 1 for every in range(2, longest + 1)
    )
