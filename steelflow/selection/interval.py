"""How sure a mean over a few seeds is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def half_width(values: Sequence[float], confidence: float = 0.95) -> float | None:
    """t · s / √n: half the interval in which the mean of n normal values lies with this confidence.

    s is their standard deviation and t the quantile of Student's distribution with n − 1 degrees of freedom. None for
    fewer than two values. Seeds share images, so their accuracies are not quite independent: the interval is a guide.
    """
    count = len(values)
    if count < 2:
        return None
    return _quantile(confidence, count - 1) * statistics.stdev(values) / math.sqrt(count)


def _quantile(confidence: float, freedom: int) -> float:
    """The t with P(|T| ≤ t) = ``confidence``, by bisection."""
    low, high = 0.0, 1e4
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < confidence else (low, middle)
    return high


def _within(t: float, freedom: int) -> float:
    """P(|T| ≤ t) of Student's distribution: Abramowitz and Stegun 26.7.3 (odd ``freedom``) and 26.7.4 (even)."""
    angle = math.atan(t / math.sqrt(freedom))
    sin, cos = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = (cos if odd else 1.0), 0.0
    for k in range(2 + odd, freedom + 1, 2):
        total += term
        term *= cos * cos * (k - 1) / k
    return 2 / math.pi * (angle + sin * total) if odd else sin * total
