"""Images that are unlike the training images of the model."""

from __future__ import annotations

import polars as pl

from steelflow.drift.signals.base import Observed, Resampling, Signal, rise
from steelflow.drift.signals.rows import LineRows


class Novel(Signal):
    """The share of images that the model marks as novel, minus the same share within the reference.

    Without drift: 7.7 points, with training images as the reference, which is what people will use. None of the
    measured drifts needs this signal; it is for a model that fails.
    """

    name = "novel"
    family = "outputs"
    unit = "share of images"
    threshold = 0.12
    points = True
    column = "energy"

    def __init__(self, reference: LineRows) -> None:
        self._before = reference.values("novel")

    def observe(self, night: LineRows) -> Observed | None:
        before, now = self._before, night.values("novel")
        if before is None or now is None:
            return None
        old, new = float(before.mean()), float(now.mean())
        text = f"{new:.1%} of the images are unlike the training images, {old:.1%} before"
        return Observed(value=new - old, text=text)

    def resampling(self, images: int) -> Resampling | None:
        if self._before is None:
            return None
        return Resampling(features=self._before[:, None], statistic=rise)

    def standing_out(self, night: LineRows) -> pl.Series | None:
        return night.frame["novel"].fill_null(False)
