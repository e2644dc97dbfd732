"""One signal of one line on one night, beside its threshold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from steelflow.drift.signals import SIGNALS


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of one signal, and what follows from it.

    Attributes:
        line: None if the images have no line.
        signal: its name in ``signals.SIGNALS``.
        family: ``quality``, ``outputs`` or ``embedding``.
        value: effect size, in the signal's unit.
        threshold: the larger of ``fixed`` and ``bootstrapped``.
        fixed: from the signal, or from ``drift.thresholds`` of the settings.
        bootstrapped: what the signal stays below without drift, see ``bootstrap``.
        breach: value > threshold.
        severe: value ≥ ``drift.severe`` × threshold.
        p_value: of a Kolmogorov-Smirnov test, for signals that compare two distributions. It decides nothing.
        text: the value in words, without the line.
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
        points = SIGNALS[self.signal].points
        limit = f"{100 * self.threshold:.1f} points" if points else f"{self.threshold:.2f}"
        over = f", {self.share:.1f} times over" if self.breach else ""
        return f"{self.line or 'all images'}: {self.text} (threshold {limit}){over}"

    def to_dict(self) -> dict[str, Any]:
        """All fields, and ``share`` under both of its names."""
        return {**asdict(self), "share": self.share, "share_of_breach": self.share}
