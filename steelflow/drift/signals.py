"""What is watched on every line, and from where on it counts: the one place of the thresholds.

Three families: how the pictures were taken, what the model says of them, and what they look like to it. The value of a
signal is an effect size, so that it means the same on a night of 500 images and on one of a million:

- ``brightness``, ``contrast``, ``sharpness``, ``saturation``, ``energy``: Wasserstein distance over the σ of the
  reference, of contrast and sharpness in logarithms.
- ``unfamiliar``: share of images that look like none of the reference, less its own such share; see ``appearance``.
- ``class_share``: the largest change of one class's share. ``class_mix``: population stability index of all shares,
  which is the one to notice a rare class that grows.
- ``confidence``: fall of the mean calibrated confidence, which estimates the accuracy without labels.
- ``novel``: share of images that the model calls unlike its training images, less the reference's own.
- ``embedding``: Fréchet distance over the reference's total variance.

The fixed thresholds lie between what nights without drift reach and what drifts reach that must be found. Both were
measured on the NEU images, on nights of 500, and the thresholds were chosen on these same images: how they do elsewhere
is not known. First the largest value without drift (`steelflow drift-bench`, docs/results/drift.json), then the drift
that needs the signal, at the 5 % quantile of 40 to 60 nights:

- quality at 0.5 σ (Cohen's medium effect): 0.36; uneven light 0.4 moves contrast by 0.67, motion blur 5 sharpness by
  0.75, luminance −40 % and +40 % brightness by 1.1 and 0.83.
- saturation at 0.6, for its tail is heavier: 0.42; luminance +40 % reaches 1.5.
- unfamiliar at 3.5 points: 2.6, with 960 images for a reference; 10 % of a new class reach 4 to 7.
- class_share at 14 points: 6, and 15 in one of a hundred halvings not done class by class; a class that triples
  gains 16 to 18.
- class_mix at 0.25, in use elsewhere as the limit of a significant shift: 0.05, and 0.24 in such a halving.
- energy at 0.6 σ, confidence at 4 points, novel at 12: 0.41, 1.7 and 7.7, the last two with training images for a
  reference, which people will take. None of the measured drifts needs them; they are for a model that fails.
- embedding at 0.15: 0.05, and 0.10 in such a halving.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from steelflow.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Signal:
    """``threshold`` is the fixed one: a shift below it is of no consequence, however sure one may be of it. Signals in
    ``points`` are shares, told as points of a hundred."""

    name: str
    family: str
    threshold: float
    unit: str
    points: bool = False


SIGNALS = (
    Signal("brightness", "quality", 0.5, "σ of the reference"),
    Signal("contrast", "quality", 0.5, "σ of the reference"),
    Signal("sharpness", "quality", 0.5, "σ of the reference"),
    Signal("saturation", "quality", 0.6, "σ of the reference"),
    Signal("unfamiliar", "quality", 0.035, "share of images", points=True),
    Signal("class_share", "outputs", 0.14, "share of images", points=True),
    Signal("class_mix", "outputs", 0.25, "PSI"),
    Signal("confidence", "outputs", 0.04, "estimated accuracy", points=True),
    Signal("energy", "outputs", 0.6, "σ of the reference"),
    Signal("novel", "outputs", 0.12, "share of images", points=True),
    Signal("embedding", "embedding", 0.15, "variance of the reference"),
)
BY_NAME = {signal.name: signal for signal in SIGNALS}


@dataclass(frozen=True, slots=True)
class Reading:
    """One signal of one line on one night.

    ``threshold`` is the larger of ``fixed`` and ``bootstrapped``; ``breach`` is value > threshold, ``severe`` is
    several times that. ``p_value`` (Kolmogorov-Smirnov, where there is a distribution) informs and decides nothing.
    ``text`` says it in words, without the line.
    """

    line: str | None
    signal: str
    family: str
    value: float
    threshold: float
    fixed: float
    bootstrapped: float
    breach: bool
    severe: bool
    p_value: float | None
    text: str

    @property
    def share(self) -> float:
        """The value in multiples of the threshold."""
        return self.value / self.threshold

    @property
    def sentence(self) -> str:
        limit = f"{100 * self.threshold:.1f} points" if BY_NAME[self.signal].points else f"{self.threshold:.2f}"
        over = f", {self.share:.1f} times over" if self.breach else ""
        return f"{self.line or 'all images'}: {self.text} (threshold {limit}){over}"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "share": self.share, "share_of_breach": self.share}


def fixed_thresholds(overrides: Mapping[str, float]) -> dict[str, float]:
    """The fixed threshold of each signal, as the settings have it.

    Raises:
        ConfigError: there is no such signal, or its threshold is not above 0.
    """
    for name, value in overrides.items():
        if name not in BY_NAME:
            raise ConfigError(f"drift.thresholds: no signal {name!r}; there are {', '.join(BY_NAME)}")
        if not value > 0:
            raise ConfigError(f"drift.thresholds.{name}: {value} must be above 0")
    return {signal.name: float(overrides.get(signal.name, signal.threshold)) for signal in SIGNALS}
