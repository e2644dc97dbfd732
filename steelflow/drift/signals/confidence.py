"""A fall of the accuracy that the model expects of itself."""

from __future__ import annotations

from steelflow.drift.distances import kolmogorov_smirnov
from steelflow.drift.estimate import estimated
from steelflow.drift.signals.base import Observed, Resampling, Signal, rise
from steelflow.drift.signals.rows import LineRows


class Confidence(Signal):
    """The fall of the mean calibrated confidence. It estimates the accuracy without labels, see ``drift.estimate``.

    Without drift: 1.7 points, with training images as the reference, which is what people will use. None of the
    measured drifts needs this signal; it is for a model that fails.
    """

    name = column = "confidence"
    family = "outputs"
    unit = "fall of the mean confidence"
    threshold = 0.04
    points = True

    def __init__(self, reference: LineRows) -> None:
        self._before = reference.values("confidence")
        self._estimates = estimated(reference.frame).why_not is None

    def observe(self, night: LineRows) -> Observed | None:
        before, now = self._before, night.values("confidence")
        if before is None or now is None:
            return None
        old, new = float(before.mean()), float(now.mean())
        estimates = self._estimates and estimated(night.frame).why_not is None
        what = "estimated accuracy" if estimates else "mean confidence"  # where it says nothing about the accuracy
        text = f"{what} fell by {100 * (old - new):.1f} points to {new:.1%}"
        return Observed(value=old - new, text=text, p_value=kolmogorov_smirnov(before, now)[1])

    def resampling(self, images: int) -> Resampling | None:
        if self._before is None:
            return None
        return Resampling(features=-self._before[:, None], statistic=rise)
