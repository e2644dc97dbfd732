"""The confidence interval of a mean over a few seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from scipy.stats import t as student


def half_width(values: Sequence[float], confidence: float = 0.95) -> float | None:
    """t · s / √n: half the confidence interval of the mean of n normal values.

    s is their standard deviation and t the quantile of Student's distribution with n − 1 degrees of freedom. None for
    fewer than two values. Seeds share images, so their accuracies are not fully independent: the interval is a guide.
    """
    count = len(values)
    if count < 2:
        return None
    quantile = float(student.ppf((1 + confidence) / 2, count - 1))
    return quantile * statistics.stdev(values) / math.sqrt(count)
