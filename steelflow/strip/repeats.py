"""Marks that repeat on one side of a coil: searched, followed along the coil, taken away, and searched again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelflow.strip.lanes import Floats, Ints, Lanes, Limits, lanes_of
from steelflow.strip.periods import Hypotheses, hits_of, search
from steelflow.strip.track import Track, follow

_ROUNDS = 16  # searches of one side of a coil
_SAME = 0.005  # periods that differ by a smaller share are equal


@dataclass(frozen=True, slots=True)
class Repeat:
    """``regions`` are the numbers of the regions that repeat, along the coil. ``places`` counts those from the first to
    the last expected one, ``log_p`` is the logarithm of the probability that chance shows such a mark on the coil.
    ``period`` and its standard ``error`` are in millimetres."""

    regions: Ints
    places: int
    period: float
    error: float
    log_p: float


def repeats(
    along: Floats, across: Floats, length: Floats, score: Floats, limits: Limits, sides: int = 1, chance: float = 0.05
) -> list[Repeat]:
    """The marks that repeat, each with a probability of at most ``chance`` to be random.

    Args:
        along: ascending. All lengths in millimetres, one entry per region.
        sides: sides of the coil that are searched. The probability is for all of them together.
    """
    found = []
    lanes = lanes_of(along, across, length, score, limits)
    used = np.zeros(along.size, bool)
    tried = 0
    for _ in range(_ROUNDS):
        if not lanes.source.size:
            break
        guesses = search(lanes, limits)
        tried = max(tried, guesses.tried * sides)
        most = np.log(chance) - np.log(max(tried, 1))
        new = list(_accepted(lanes, guesses, along, across, used, most, limits))
        found += [(track, log_p + np.log(tried)) for track, log_p in new]
        if not new:
            break
        lanes = lanes.without(used)
    return _joined(found, along, across, limits)


def _accepted(
    lanes: Lanes,
    guesses: Hypotheses,
    along: Floats,
    across: Floats,
    used: NDArray[np.bool_],
    most: float,
    limits: Limits,
) -> Iterator[tuple[Track, float]]:
    """Tracks of the guesses with a logarithm of the probability of at most ``most``. Sets ``used`` for the regions that
    a track explains."""
    left = np.flatnonzero(guesses.log_p <= most)
    while left.size:
        first, last, steps = (int(part[left[0]]) for part in (guesses.first, guesses.last, guesses.steps))
        hits, log_p = hits_of(lanes, first, last, steps, used, limits)
        if log_p > most:
            left = left[1:]
            continue
        a, b = int(lanes.source[first]), int(lanes.source[last])
        centre = np.median(across[[a, b, *hits]])
        band = np.abs(across - centre) <= limits.across
        band[[a, b]] = True
        near = np.flatnonzero(band & ~used)
        track = follow(along[near], along[a], along[b], steps, limits)
        track = Track(near[track.marks], track.steps, track.period, track.error)
        yield track, log_p
        used |= _explained(track, along, np.abs(across - centre) <= 1.5 * limits.across, limits)
        used[[a, b]] = True
        left = left[~used[lanes.source[guesses.first[left]]] & ~used[lanes.source[guesses.last[left]]]]


def _explained(track: Track, along: Floats, beside: NDArray[np.bool_], limits: Limits) -> NDArray[np.bool_]:
    """The regions at the places of a track, with twice the usual distance."""
    steps = np.arange(track.steps[0], track.steps[-1] + 1)
    places = np.interp(steps, track.steps, along[track.marks])
    after = np.clip(np.searchsorted(places, along), 1, places.size - 1)
    off = np.minimum(np.abs(along - places[after - 1]), np.abs(along - places[after]))
    return beside & (off <= 2 * limits.near)


def _joined(found: list[tuple[Track, float]], along: Floats, across: Floats, limits: Limits) -> list[Repeat]:
    """The tracks as ``Repeat``. Tracks of one period at one place across that follow each other are one mark."""
    groups: list[list[tuple[Track, float]]] = []
    for one in sorted(found, key=lambda one: (int(one[0].marks[0]), one[1])):
        for group in groups:
            if _continues(group[-1][0], one[0], along, across, limits):
                group.append(one)
                break
        else:
            groups.append([one])
    made = []
    for group in groups:
        longest = max((track for track, _ in group), key=lambda track: track.marks.size)
        regions = np.concatenate([track.marks for track, _ in group])
        places = round(float(along[regions[-1]] - along[regions[0]]) / longest.period) + 1
        made.append(Repeat(regions, places, longest.period, longest.error, float(min(log_p for _, log_p in group))))
    return made


def _continues(before: Track, after: Track, along: Floats, across: Floats, limits: Limits) -> bool:
    same = abs(before.period - after.period) <= _SAME * before.period
    beside = abs(np.median(across[before.marks]) - np.median(across[after.marks])) <= limits.across
    return bool(same and beside and along[after.marks[0]] > along[before.marks[-1]])
