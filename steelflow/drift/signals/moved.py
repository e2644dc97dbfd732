"""Figures whose distribution moved: brightness, contrast, sharpness and saturation of the images, energy of the model.

The value is the Wasserstein distance between the distributions of the reference and of the night, in standard
deviations (σ) of the reference.

The quality thresholds are 0.5 σ, Cohen's medium effect. Without drift: 0.36. Uneven light of 0.4 moves contrast by
0.67. Motion blur of 5 moves sharpness by 0.75. Luminance −40 % and +40 % move brightness by 1.1 and 0.83.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import numpy as np

from steelflow.drift.distances import Floats, kolmogorov_smirnov, wasserstein
from steelflow.drift.signals.base import Observed, Resampling, Signal
from steelflow.drift.signals.rows import LineRows

_BINS = 100


class Moved(Signal):
    """A distribution that moved.

    Attributes:
        floor: the smallest σ that is used, in the unit of the column. It keeps a line whose images are all alike from
            an alarm over one grey level.
        logarithmic: whether the figure is a ratio by nature, and log(1 + x) is compared.
    """

    family = "quality"
    unit = "σ of the reference"
    threshold = 0.5
    floor: ClassVar[float]
    logarithmic: ClassVar[bool] = False

    def __init__(self, reference: LineRows) -> None:
        self._before = self.figures(reference)

    @classmethod
    def figures(cls, rows: LineRows) -> Floats | None:
        """The values that are compared (N,); None if rows lack them."""
        values = rows.values(cls.column)
        return np.log1p(values) if values is not None and cls.logarithmic else values

    def observe(self, night: LineRows) -> Observed | None:
        before, now = self._before, self.figures(night)
        if before is None or now is None:
            return None
        value = wasserstein(before, now) / self._spread(before)
        sense = "up" if now.mean() > before.mean() else "down"
        text = f"{self.name} moved {sense} by {value:.2f} σ"
        return Observed(value=value, text=text, p_value=kolmogorov_smirnov(before, now)[1])

    def resampling(self, images: int) -> Resampling | None:
        before = self._before
        if before is None:
            return None
        edges = np.unique(np.quantile(before, np.linspace(0, 1, _BINS), method="lower"))
        widths = np.diff(edges) / self._spread(before)
        bins = np.searchsorted(edges, before, side="right") - 1
        return Resampling(features=np.eye(len(edges))[bins], statistic=partial(_area, widths=widths))

    def _spread(self, before: Floats) -> float:
        return max(float(before.std()), self.floor)


class Brightness(Moved):
    name = column = "brightness"
    floor = 4.0


class Contrast(Moved):
    name = column = "contrast"
    floor = 0.1
    logarithmic = True


class Sharpness(Moved):
    name = column = "sharpness"
    floor = 0.1
    logarithmic = True


class Saturation(Moved):
    """Its distribution has a heavy tail, so its threshold is higher. Without drift: 0.42; luminance +40 %: 1.5."""

    name = column = "saturation"
    threshold = 0.6
    floor = 0.02


class Energy(Moved):
    """Without drift: 0.41. None of the measured drifts needs this signal; it is for a model that fails."""

    name = column = "energy"
    family = "outputs"
    threshold = 0.6
    floor = 0.25


def _area(reference: Floats, current: Floats, widths: Floats) -> Floats:
    """Wasserstein distance between shares by bin (B, K), with ``widths`` (K − 1,) between the bins."""
    return np.asarray(np.abs(np.cumsum(current - reference, axis=1)[:, :-1]) @ widths)
