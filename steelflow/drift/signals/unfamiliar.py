"""Images that look like no image of the reference, see ``appearance``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from steelflow.drift.appearance import Appearance
from steelflow.drift.distances import Floats
from steelflow.drift.signals.base import Observed, Resampling, Signal, rise
from steelflow.drift.signals.moved import Brightness, Contrast, Sharpness
from steelflow.drift.signals.rows import LineRows

_FEW_PICTURES = 300  # with fewer different pictures, little can be learned about how images may look


class Unfamiliar(Signal):
    """The share of unfamiliar images, minus the same share within the reference.

    Without drift: 2.6 points, with a reference of 960 images. A new class in 10 % of the images: 4 to 7 points.
    """

    name = "unfamiliar"
    family = "quality"
    unit = "share of images"
    threshold = 0.035
    points = True
    column = "sharpness"

    def __init__(self, reference: LineRows) -> None:
        points = _points(reference)
        self._appearance = None if points is None else Appearance(points, reference.groups)

    def observe(self, night: LineRows) -> Observed | None:
        flags = self._unfamiliar(night)
        if self._appearance is None or flags is None:
            return None
        own, now = self._appearance.own[self._appearance.pictures].mean(), flags.mean()
        text = f"{now:.1%} of the images look like none of the reference, {own:.1%} before"
        return Observed(value=float(now - own), text=text)

    def resampling(self, images: int) -> Resampling | None:
        if self._appearance is None or self._appearance.distinct < _FEW_PICTURES:
            return None
        flags = self._appearance.own[self._appearance.pictures].astype(float)
        return Resampling(features=flags[:, None], statistic=rise)

    def standing_out(self, night: LineRows) -> pl.Series | None:
        flags = self._unfamiliar(night)
        return None if flags is None else pl.Series(flags)

    def _unfamiliar(self, night: LineRows) -> npt.NDArray[np.bool_] | None:
        points = _points(night)
        return None if self._appearance is None or points is None else self._appearance.unfamiliar(points)


def _points(rows: LineRows) -> Floats | None:
    """Brightness, log contrast and log sharpness of each image: (N, 3)."""
    figures = [signal.figures(rows) for signal in (Brightness, Contrast, Sharpness)]
    known = [values for values in figures if values is not None]
    return np.stack(known, 1) if len(known) == len(figures) else None
