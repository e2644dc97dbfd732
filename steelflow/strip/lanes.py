"""Lanes: narrow bands along the strip. A mark of a roll stays in one lane, other defects are spread over many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as a repeating mark. Lengths are in millimetres.

    ``position`` is how far a mark may be from its place along the strip, ``across`` the same across the strip.
    ``fill`` is the smallest share of the expected marks that must be there.
    """

    shortest: float = 250.0
    longest: float = 7500.0
    position: float = 10.0
    across: float = 20.0
    marks: int = 5
    fill: float = 0.4

    @property
    def near(self) -> float:
        """Distance from the expected place. It is an error of three positions: the mark's, and two that predict it."""
        return 1.5 * self.position


@dataclass(frozen=True, slots=True)
class Lanes:
    """The marks of all lanes, lane by lane, ascending along the strip. A mark is in two lanes, since lanes overlap.

    ``lane``, ``along`` [mm] and ``source`` (number of the region) have one entry per mark of a lane.
    """

    lane: Ints
    along: Floats
    source: Ints

    def without(self, used: NDArray[np.bool_]) -> Lanes:
        """The lanes that hold a used region, without the used ones. The other lanes are left out."""
        gone = used[self.source]
        keep = np.isin(self.lane, np.unique(self.lane[gone])) & ~gone
        return Lanes(self.lane[keep], self.along[keep], self.source[keep])


def lanes_of(along: Floats, across: Floats, length: Floats, score: Floats, limits: Limits) -> Lanes:
    """Put regions into overlapping lanes of twice ``limits.across``.

    Regions of a lane that touch along the strip are one mark, at the place of the one with the highest score. A mark
    that is longer than the shortest period is left out: a scratch over many frames would repeat with the frames.

    Args:
        along, across, length, score: of each region; millimetres.
    """
    strip = np.floor((across - across.min(initial=0.0)) / limits.across).astype(np.intp)
    lane = np.concatenate([strip, strip + 1])  # lane n is made of the strips n - 1 and n
    source = np.concatenate([np.arange(along.size), np.arange(along.size)])
    start = along[source] - length[source] / 2
    order = np.lexsort((source, start, lane))
    lane, source, start = lane[order], source[order], start[order]
    end = along[source] + length[source] / 2
    first = _first_of_mark(lane, start, end, 2 * limits.near)
    mark = np.cumsum(first) - 1
    best = np.lexsort((source, -score[source], mark))
    chosen = best[np.unique(mark[best], return_index=True)[1]]
    extent = np.maximum.reduceat(end, np.flatnonzero(first)) - start[first] if first.size else end
    chosen = chosen[extent <= limits.shortest]
    chosen = chosen[np.lexsort((along[source[chosen]], lane[chosen]))]
    _, inverse, counts = np.unique(lane[chosen], return_inverse=True, return_counts=True)
    chosen = chosen[counts[inverse] >= limits.marks]
    return Lanes(lane[chosen], along[source[chosen]], source[chosen])


def _first_of_mark(lane: Ints, start: Floats, end: Floats, gap: float) -> NDArray[np.bool_]:
    """Whether each region begins a mark: it is in another lane than the one before, or beyond the end of all before."""
    if not start.size:
        return np.zeros(0, bool)
    apart = lane * (float(end.max() - start.min()) + 2 * gap + 1)  # lanes do not reach each other
    reach = np.maximum.accumulate(end + apart)
    return np.concatenate([[True], (start + apart)[1:] > reach[:-1] + gap])
