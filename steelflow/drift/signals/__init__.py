"""The signals that the drift check watches on every line. Each is one class, registered in ``SIGNALS``.

To add a signal, write a subclass of ``base.Signal`` in a file of this folder and add it to the tuple below. The
check, the drift table, the settings, the explanation page and the dashboard take it from ``SIGNALS``.

There are three families: how the images were taken (quality), what the model says about them (outputs), and how they
look to the model (embedding). The value of a signal is an effect size. It means the same on a night of 500 images and
on a night of a million.

Each class states its fixed threshold and the measurement behind it. The threshold lies between what nights without
drift reach and what a drift reaches that must be found. Both come from nights of 500 NEU images
(`steelflow drift-bench`, docs/results/drift.json):

- *Without drift*: the largest value on any night.
- *Unbalanced halving*: the images were split into reference and nights at random, not class by class. The value is from
  the worst of a hundred such splits.
- The value of a drift is its 5 % quantile over 40 to 60 nights.

The thresholds were chosen on these same images. How they do on other images is not known.
"""

from __future__ import annotations

from collections.abc import Mapping

from steelflow.drift.signals.base import Signal
from steelflow.drift.signals.classes import ClassMix, ClassShare
from steelflow.drift.signals.confidence import Confidence
from steelflow.drift.signals.embedding import Embedding
from steelflow.drift.signals.moved import Brightness, Contrast, Energy, Saturation, Sharpness
from steelflow.drift.signals.novel import Novel
from steelflow.drift.signals.unfamiliar import Unfamiliar
from steelflow.errors import ConfigError

SIGNALS: dict[str, type[Signal]] = {
    signal.name: signal
    for signal in (
        Brightness,
        Contrast,
        Sharpness,
        Saturation,
        Unfamiliar,
        ClassShare,
        ClassMix,
        Confidence,
        Energy,
        Novel,
        Embedding,
    )
}
"""Every signal by name, in the order in which tables and charts show them."""


def fixed_thresholds(overrides: Mapping[str, float]) -> dict[str, float]:
    """The fixed threshold of each signal: its own, or the one in ``overrides`` (``drift.thresholds`` of the settings).

    Raises:
        ConfigError: ``overrides`` names an unknown signal, or a threshold is not above 0.
    """
    for name, value in overrides.items():
        if name not in SIGNALS:
            raise ConfigError(f"drift.thresholds: no signal {name!r}; there are {', '.join(SIGNALS)}")
        if not value > 0:
            raise ConfigError(f"drift.thresholds.{name}: {value} must be above 0")
    return {name: float(overrides.get(name, signal.threshold)) for name, signal in SIGNALS.items()}
