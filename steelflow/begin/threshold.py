"""The operating point for a share of false alarms, where some of the views may be defects and nobody knows which.

The highest scores are of defects as likely as of good strip, so they do not decide. The scores of good views between
two quantiles below them do: above a high quantile, most distributions have a tail like an exponential's (J. Pickands
1975, "Statistical inference using extreme order statistics"), which is followed to the share that is asked for.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

LEFT_OUT = 0.05
"""Share of views that may be defects: those that deviate most."""

_FROM = 0.75  # the quantile of good views at which the tail begins


def threshold(scores: npt.NDArray[np.float32], false_alarms: float, left_out: float = LEFT_OUT) -> float:
    """The score that a share ``false_alarms`` of good views exceeds.

    Args:
        scores: float (N,), of views that were not used for the fit.
        false_alarms: above 0 and below 1.
        left_out: share of the views, the highest ones, that are not looked at.
    """
    good = np.sort(scores)[: max(2, math.ceil(len(scores) * (1 - left_out)))].astype(np.float64)
    if false_alarms >= left_out:
        return float(np.quantile(good, max(0.0, 1 - (false_alarms - left_out) / (1 - left_out))))
    # Of all views, a share 1 − _FROM is above ``start`` and a share left_out above ``end``.
    start, end = np.quantile(good, _FROM / (1 - left_out)), good[-1]
    slope = (end - start) / math.log((1 - _FROM) / left_out)
    return float(end + slope * math.log(left_out / false_alarms))
