"""From readings to verdicts: on one line, and on a night.

A breach on one night is a warning. An alarm is a severe breach, or breaches on several of the last nights: real drift
comes back, chance does not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from steelflow.config import DriftSettings
from steelflow.drift.reading import Reading

Verdict = Literal["none", "warn", "alarm", "insufficient"]
WORST_FIRST: tuple[Verdict, ...] = ("alarm", "warn", "none", "insufficient")


@dataclass(frozen=True, slots=True)
class LineVerdict:
    """The verdict on one line on one night.

    Attributes:
        line: None if the images have no line.
        reason: the verdict in a sentence.
        images: readable images of the night.
        readings: one for each signal that could be compared.
        reference_images: rows of the reference.
        estimated_accuracy: mean calibrated confidence of the night, an estimate without labels; see ``estimate``.
        reference_estimate: the same of the reference.
        not_estimated: why the accuracy of the night is not estimated.
    """

    line: str | None
    verdict: Verdict
    reason: str
    images: int
    readings: tuple[Reading, ...] = ()
    reference_images: int = 0
    estimated_accuracy: float | None = None
    reference_estimate: float | None = None
    not_estimated: str | None = None

    @property
    def accuracy(self) -> str:
        """The estimate in words, or why there is none; empty if the line was not compared."""
        if self.not_estimated is not None:
            return f"accuracy not estimated: {self.not_estimated}"
        if self.estimated_accuracy is None:
            return ""
        before = "" if self.reference_estimate is None else f" (reference {self.reference_estimate:.1%})"
        return f"estimated accuracy {self.estimated_accuracy:.1%}{before}, without labels"

    @property
    def breaches(self) -> list[Reading]:
        """The readings over their threshold, largest share first."""
        return sorted((one for one in self.readings if one.breach), key=lambda one: -one.share)

    def to_dict(self) -> dict[str, Any]:
        """All fields but the readings."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "readings"}


@dataclass(frozen=True, slots=True)
class NightVerdict:
    """The verdict on a night: those of its lines, and the worst of them. ``date`` is None for images without one."""

    date: dt.date | None
    model_digest: str
    lines: tuple[LineVerdict, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the lines; insufficient only if every line is."""
        return next((kind for kind in WORST_FIRST if any(line.verdict == kind for line in self.lines)), "insufficient")

    @property
    def signals(self) -> list[Reading]:
        """The readings of all lines, largest share first."""
        return sorted((one for line in self.lines for one in line.readings), key=lambda one: -one.share)

    @property
    def reasons(self) -> list[str]:
        """The verdict in sentences: each breach, then the reason of each line whose verdict is not none."""
        moved = [one.sentence for one in self.signals if one.breach]
        said = [f"{_name(one.line)}: {one.reason}" for one in self.lines if one.verdict != "none"]
        return [*moved, *said] if self.lines else ["no images of that night"]

    def to_dict(self) -> dict[str, Any]:
        return {
            "date": None if self.date is None else self.date.isoformat(),
            "verdict": self.verdict,
            "model": self.model_digest,
            "lines": [line.to_dict() for line in self.lines],
            "signals": [one.to_dict() for one in self.signals],
            "reasons": self.reasons,
        }


def decide(readings: Sequence[Reading], earlier: Sequence[bool], settings: DriftSettings) -> tuple[Verdict, str]:
    """The verdict on a line, and its reason.

    Args:
        earlier: whether each of the nights before breached, latest last. A night without a verdict did not.
    """
    breaches = sorted((one for one in readings if one.breach), key=lambda one: -one.share)
    nearest = max(readings, key=lambda one: one.share, default=None)
    if not breaches:
        return "none", "" if nearest is None else f"nothing moved; nearest to its threshold: {_at(nearest)}"
    worst = breaches[0]
    if any(one.severe for one in breaches):
        return "alarm", f"{_words(worst)} is at {worst.share:.1f} times its threshold, an alarm at once"
    window = [*earlier, True][-settings.window :]
    if sum(window) >= settings.breaches:
        return "alarm", f"{sum(window)} of the last {len(window)} nights are over a threshold"
    return "warn", f"over a threshold on one night; an alarm at {settings.breaches} of {settings.window}"


def _at(reading: Reading) -> str:
    return f"{_words(reading)} at {max(reading.share, 0):.0%}"


def _words(reading: Reading) -> str:
    return reading.signal.replace("_", " ")


def _name(line: str | None) -> str:
    return line or "all images"
