"""A period that was found, followed along the coil in both directions.

The elongation of the strip changes along a coil, so a period of one place does not predict a place a kilometre away.
A loop that corrects place and period with each mark follows it. Where the marks begin and end is decided by the
evidence: a mark at the predicted place counts for the roll, a missing one against it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from steelflow.strip.lanes import Floats, Ints, Limits

_PLACE, _PERIOD = 0.4, 0.06  # shares of a deviation that correct the place and the period
_PRESENT = 0.7  # probability that a mark is found
_LOST = 20.0  # evidence against the roll, in nats, after which it is followed no further
_SLIP = 0.02  # largest change of the period along a coil, as a share


@dataclass(frozen=True, slots=True)
class Track:
    """Marks on a lattice: ``marks`` are indices of the places that were given, ``steps`` their numbers of periods.

    ``period`` [mm] and its standard error come from a straight line through the marks.
    """

    marks: Ints
    steps: Ints
    period: float
    error: float


def follow(along: Floats, first: float, last: float, steps: int, limits: Limits) -> Track:
    """Follow the period of the marks at ``first`` and ``last``, which are ``steps`` periods apart.

    Args:
        along: places of all marks near this place across the strip, ascending; they include ``first`` and ``last``.
    """
    period = (last - first) / steps
    inside = np.flatnonzero((along >= first) & (along <= last))
    number = np.rint((along[inside] - first) / period).astype(np.intp)
    off = np.abs(along[inside] - first - number * period)
    seed: dict[int, int] = {}
    for place in np.lexsort((off, number)):  # the nearest mark of each number
        if off[place] <= limits.near:
            seed.setdefault(int(number[place]), int(inside[place]))
    line = _line(np.array(list(seed)), along[list(seed.values())])
    ahead = _ahead(along, line.at(steps), line.period, limits)
    behind = _ahead(-along[::-1], -line.at(0), line.period, limits)
    found = dict(seed)
    found |= {steps + count: mark for count, mark in ahead.items()}
    found |= {-count: along.size - 1 - mark for count, mark in behind.items()}
    order = sorted(found)
    numbers, marks = np.array(order, np.intp), np.array([found[one] for one in order], np.intp)
    line = _line(numbers, along[marks])
    return Track(marks, numbers, line.period, line.error)


def _ahead(along: Floats, place: float, period: float, limits: Limits) -> dict[int, int]:
    """The marks beyond ``place``, by their number of periods from it."""
    start = int(np.searchsorted(along, place + period / 2))
    rest = along[start:]
    if not rest.size:
        return {}
    chance = min(0.5, max(1e-3, rest.size / max(rest[-1] - place, period) * 2 * limits.near))
    gain, loss = math.log(_PRESENT / chance), math.log((1 - _PRESENT) / (1 - chance))
    widest = period * _SLIP
    least, most = period - widest, period + widest
    found: dict[int, int] = {}
    evidence = best = 0.0
    until = last = count = 0
    for index, value in enumerate(rest.tolist()):
        steps = round((value - place) / period)
        off = value - place - steps * period
        if steps < 1 or abs(off) > limits.near:
            continue
        evidence += loss * (steps - 1)
        if evidence < best - _LOST:
            break
        evidence += gain
        last += steps
        found[last] = start + index
        place, period = place + steps * period + _PLACE * off, period + _PERIOD * off / steps
        period = min(max(period, least), most)
        count += 1
        if evidence > best:
            best, until = evidence, last
    return {number: mark for number, mark in found.items() if number <= until}


@dataclass(frozen=True, slots=True)
class _Line:
    start: float
    period: float
    error: float

    def at(self, steps: int) -> float:
        return self.start + self.period * steps


def _line(steps: Ints, along: Floats) -> _Line:
    """Least squares of the places over their numbers of periods; the error of the slope from the residuals."""
    middle, centre = float(steps.mean()), float(along.mean())
    spread = float(((steps - middle) ** 2).sum())
    period = float(((steps - middle) * (along - centre)).sum()) / spread
    start = centre - period * middle
    rest = along - start - period * steps
    error = math.sqrt(float((rest**2).sum()) / max(steps.size - 2, 1) / spread)
    return _Line(start, period, error)
