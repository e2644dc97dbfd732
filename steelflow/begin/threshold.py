"""The operating point for a share of false alarms, where some of the views may be unknown defects.

The highest scores are as likely of defects as of good strip, so they do not decide. The scores between two quantiles
below them do: above a high quantile, most distributions have a tail like an exponential's (J. Pickands 1975,
"Statistical inference using extreme order statistics"), which is followed to the share that is asked for.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

LEFT_OUT = 0.05
"""Share of views that may be defects: those that deviate most."""

_START, _END = 0.25, 0.10  # shares of the views above the two quantiles


def threshold(scores: npt.NDArray[np.float32], false_alarms: float, left_out: float = LEFT_OUT) -> float:
    """The score that a share ``false_alarms`` of good views exceeds.

    Between none and a share ``left_out`` of the views are defects. Half of it is assumed.

    Args:
        scores: float (N,), of views that were not used for the fit.
        false_alarms: above 0 and below 1.
        left_out: at most 0.15.
    """
    defects = left_out / 2
    start, end = ((share - defects) / (1 - defects) for share in (_START, _END))  # of the good views
    if false_alarms >= end:
        return float(np.quantile(scores, 1 - defects - false_alarms * (1 - defects)))
    low, high = np.quantile(scores.astype(np.float64), (1 - _START, 1 - _END))
    slope = max(high - low, 1e-6) / math.log(start / end)
    return float(high + slope * math.log(end / false_alarms))
