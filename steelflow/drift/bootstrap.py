"""How far a signal wanders without any drift: a bootstrap of the reference's coils.

Every statistic (except the exact Wasserstein distance) is a function of mean features: shares of bins, first and second
moments. So one set of draws serves all signals. A draw takes coils of the reference with replacement, as many as the
reference has and as many as a night has, and compares the mean features of the two. Coils are drawn rather than images,
because the images of a coil are alike: a night of six coils varies more than its number of images suggests.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from steelflow.drift.signals.base import Resampling
from steelflow.drift.signals.rows import Groups

_DRAWS = 1000


class Draws:
    """Pairs of samples of the reference's groups: one as large as the reference, one as large as a night.

    Args:
        codes: the group of each reference image (N,), from 0.
        groups: the number of groups in a night.
        quantile: of a statistic over all draws, which is its limit.
    """

    def __init__(self, codes: Groups, groups: int, quantile: float) -> None:
        rng = np.random.default_rng(0)
        self._order = np.argsort(codes, kind="stable")
        sizes = np.bincount(codes).astype(np.float32)
        self._starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
        # Percentiles of a bootstrap are too low for few groups: by √(C / (C − 1)), and by the ratio of Student's
        # quantile to the normal one, which is 1 + (z² + 1) / 4ν to first order. z is rounded, so that
        # a signal or two more do not change this factor.
        freedom = max(len(sizes) - 1, 1)
        z = round(NormalDist().inv_cdf(quantile), 1)
        self._quantile = quantile
        self._wider = (1 + (z**2 + 1) / (4 * freedom)) * (1 + 1 / freedom) ** 0.5
        self._pair = [_weights(rng, len(sizes), drawn, sizes) for drawn in (len(sizes), groups)]

    def limit(self, resampling: Resampling) -> float:
        """What the statistic stays below without drift: its quantile over all draws, widened for few groups."""
        sums = np.add.reduceat(resampling.features[self._order].astype(np.float32), self._starts, axis=0)
        old, new = ((weights @ sums).astype(np.float64) for weights in self._pair)
        return float(self._wider * np.quantile(resampling.statistic(old, new), self._quantile))


def _weights(
    rng: np.random.Generator, groups: int, drawn: int, sizes: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """The weight of each group's sum in the mean of a draw: (draws, groups)."""
    counts = np.stack([np.bincount(rng.integers(groups, size=drawn), minlength=groups) for _ in range(_DRAWS)])
    weights = counts.astype(np.float32)
    return np.asarray(weights / (weights @ sizes)[:, None])
