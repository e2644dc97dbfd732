"""Periods that occur more often than chance allows.

A hypothesis is a pair of marks of a lane and a number m: the marks are m periods apart. It predicts the places of the
marks between them. If all marks were at random places, each of the n marks between would be at a predicted place with
the probability q, independently of the pair: q is the share of the stretch that lies near predicted places. So the
number of predicted places that are hit has at most the binomial distribution B(n, q), however dense the marks of the
stretch are. The tail of this distribution, times the number of hypotheses tried (Bonferroni's correction), bounds the
probability that a coil of random marks has such a hypothesis at all.

A period P gives the lowest probability by itself: 2P hits half of the marks, and P/2 is near twice as many places.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelflow.strip.lanes import Floats, Ints, Lanes, Limits

_REACH = 32, 2000  # a pair reaches over this many marks, if there are so many; over more if there are fewer
_MOST = 40
_BLOCK = 500_000  # marks between the pairs of the hypotheses that are tested together
_UNLIKELY = math.log(0.5)  # hypotheses above this probability are not kept


@dataclass(frozen=True, slots=True)
class Hypotheses:
    """The hypotheses that are unlikely to be chance, and ``tried``, the number of all that were tested.

    ``first`` and ``last`` are places in the ``Lanes``, ``steps`` is m, ``log_p`` the logarithm of the tail before the
    correction. The most unlikely one comes first.
    """

    first: Ints
    last: Ints
    steps: Ints
    log_p: Floats
    tried: int


def search(lanes: Lanes, limits: Limits) -> Hypotheses:
    """Test all pairs of marks that are near each other, with every number of periods that the limits allow.

    The effort grows linearly with the number of marks.
    """
    along, lane = lanes.along, lanes.lane
    reach = min(round(_REACH[0] * (_REACH[1] / max(along.size, 1)) ** 0.125), _MOST, along.size - 1)
    found: list[Hypotheses] = []
    tried = 0
    for apart in range(limits.marks - 1, reach + 1):
        first = np.flatnonzero(lane[:-apart] == lane[apart:])
        if not first.size:
            break
        stretch = along[first + apart] - along[first]
        between = (along[first + np.arange(1, apart)[:, None]] - along[first]).astype(np.float32)
        most = min(int((apart + 1) / limits.fill) - 1, int(stretch.max() / limits.shortest))
        steps = np.arange(limits.marks - 1, most + 1)[:, None]
        steps, pair = np.nonzero((stretch >= steps * limits.shortest) & (stretch <= steps * limits.longest))
        steps += limits.marks - 1
        tried += steps.size
        for start in range(0, steps.size, _BLOCK // apart):
            here = slice(start, start + _BLOCK // apart)
            kept, log_p = _test(between[:, pair[here]], stretch[pair[here]], steps[here], limits)
            if kept.size:
                one = first[pair[here][kept]]
                found.append(Hypotheses(one, one + apart, steps[here][kept], log_p, 0))
    return _sorted(found, tried)


def hits_of(
    lanes: Lanes, first: int, last: int, steps: int, used: NDArray[np.bool_], limits: Limits
) -> tuple[Ints, float]:
    """The regions that one hypothesis hits between its pair, and its ``log_p``, without ``used`` regions."""
    between = np.arange(first + 1, last)
    between = between[~used[lanes.source[between]]]
    away = lanes.along[between] - lanes.along[first]
    stretch = lanes.along[last] - lanes.along[first]
    _, log_p = _test(away[:, None].astype(np.float32), np.array([stretch]), np.array([steps]), limits)
    place = away * steps / stretch
    hit = np.abs(place - np.rint(place)) * stretch <= limits.near * steps
    return lanes.source[between[hit]], float(log_p[0]) if log_p.size else 0.0


def _test(between: NDArray[np.float32], stretch: Floats, steps: Ints, limits: Limits) -> tuple[Ints, Floats]:
    """The hypotheses that may be more than chance, and the logarithm of their probability. ``between`` are the
    distances of the marks from the first of the pair, with a column for each hypothesis."""
    needed = np.maximum(limits.marks, np.ceil(limits.fill * (steps + 1))) - 2
    scale = (steps / stretch).astype(np.float32)
    share = between * scale
    hit = np.abs(share - np.rint(share)) <= np.float32(limits.near) * scale
    kept = np.flatnonzero(np.add.reduce(hit.view(np.uint8), axis=0, dtype=np.uint8) >= needed)
    if not kept.size:
        return kept, np.zeros(0)
    hits = _places(np.rint(share[:, kept]).T, hit[:, kept].T, steps[kept])
    enough = hits >= needed[kept]
    kept, hits = kept[enough], hits[enough]
    near_share = np.minimum(2 * limits.near * (steps[kept] - 1) / stretch[kept], 1.0)
    log_p = log_tail(between.shape[0], hits, near_share)
    unlikely = log_p < _UNLIKELY
    return kept[unlikely], log_p[unlikely]


def _places(place: NDArray[np.float32], hit: NDArray[np.bool_], steps: Ints) -> Ints:
    """How many different predicted places are hit, without the pair's own. Places ascend in a row."""
    place = np.where(hit & (place >= 1) & (place <= steps[:, None] - 1), place, 0)
    highest = np.maximum.accumulate(place, axis=1)
    before = np.concatenate([np.zeros((len(place), 1), place.dtype), highest[:, :-1]], axis=1)
    hits: Ints = (place > before).sum(axis=1, dtype=np.intp)
    return hits


def log_tail(trials: int, hits: Ints, share: Floats) -> Floats:
    """The logarithm of the probability of ``hits`` or more among ``trials`` with the probability ``share`` each."""
    many = np.arange(trials + 1)
    factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])
    choose = factorial[trials] - factorial - factorial[::-1]
    share = np.clip(share, 1e-12, 1 - 1e-12)[:, None]
    terms = choose + many * np.log(share) + (trials - many) * np.log1p(-share)
    terms = np.where(many >= hits[:, None], terms, -np.inf)
    top = terms.max(axis=1, initial=-np.inf)
    tail: Floats = np.minimum(top + np.log(np.exp(terms - top[:, None]).sum(axis=1)), 0.0)
    return tail


def _sorted(found: list[Hypotheses], tried: int) -> Hypotheses:
    none = np.zeros(0, np.intp)
    first = np.concatenate([none, *(one.first for one in found)])
    last = np.concatenate([none, *(one.last for one in found)])
    steps = np.concatenate([none, *(one.steps for one in found)])
    log_p = np.concatenate([np.zeros(0), *(one.log_p for one in found)])
    order = np.lexsort((first, steps, log_p))
    return Hypotheses(first[order], last[order], steps[order], log_p[order], tried)
