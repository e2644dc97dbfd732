"""From readings to a verdict: how one line stands, and a night.

One night's breach is a warning. An alarm is a severe breach, or breaches on several of the last nights: what is real
comes back, and what was chance does not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from steelflow.config import DriftSettings
from steelflow.drift.reading import Reading

Verdict = Literal["none", "warn", "alarm", "insufficient"]
_WORST: tuple[Verdict, ...] = ("alarm", "warn", "none", "insufficient")


@dataclass(frozen=True, slots=True)
class LineVerdict:
    """How a line stands on a night. ``reason`` says it in a sentence.

    ``images`` are the readable ones of the night, ``reference_images`` the rows of the reference.
    ``estimated_accuracy`` is the mean calibrated confidence: an estimate without labels, to be read beside
    ``reference_estimate``, the same of the reference.
    """

    line: str | None
    verdict: Verdict
    reason: str
    images: int
    readings: tuple[Reading, ...] = ()
    reference_images: int = 0
    estimated_accuracy: float | None = None
    reference_estimate: float | None = None

    @property
    def breaches(self) -> list[Reading]:
        """What is over its threshold, most of all first."""
        return sorted((one for one in self.readings if one.breach), key=lambda one: -one.share)


@dataclass(frozen=True, slots=True)
class NightVerdict:
    date: dt.date | None
    model_digest: str
    lines: tuple[LineVerdict, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of the lines; insufficient only where no line has a verdict."""
        return next((kind for kind in _WORST if any(line.verdict == kind for line in self.lines)), "insufficient")

    @property
    def signals(self) -> list[Reading]:
        """Of all lines, what moved most first."""
        return sorted((one for line in self.lines for one in line.readings), key=lambda one: -one.share)

    @property
    def reasons(self) -> list[str]:
        """Why, in sentences: each breach of the lines that alarm or warn, then the lines that have no verdict."""
        moved = [one.sentence for one in self.signals if one.breach]
        said = [f"{_name(one.line)}: {one.reason}" for one in self.lines if one.verdict != "none"]
        return [*moved, *said] if self.lines else ["no images of that night"]

    def to_dict(self) -> dict[str, Any]:
        return {
            "date": None if self.date is None else self.date.isoformat(),
            "verdict": self.verdict,
            "model": self.model_digest,
            "lines": [
                {
                    "line": one.line,
                    "verdict": one.verdict,
                    "reason": one.reason,
                    "images": one.images,
                    "reference_images": one.reference_images,
                    "estimated_accuracy": one.estimated_accuracy,
                    "reference_estimate": one.reference_estimate,
                }
                for one in self.lines
            ],
            "signals": [one.to_dict() for one in self.signals],
            "reasons": self.reasons,
        }


def decide(readings: Sequence[Reading], earlier: Sequence[bool], settings: DriftSettings) -> tuple[Verdict, str]:
    """The verdict on a line, and why. ``earlier`` says of the nights before, latest last, whether they breached; those
    without a verdict do not."""
    breaches = sorted((one for one in readings if one.breach), key=lambda one: -one.share)
    nearest = max(readings, key=lambda one: one.share, default=None)
    if not breaches:
        return "none", f"nothing moved; nearest: {nearest.signal} at {max(nearest.share, 0):.0%}" if nearest else ""
    worst = breaches[0]
    if any(one.severe for one in breaches):
        return "alarm", f"{worst.signal} is over its threshold {worst.share:.1f} times, an alarm at once"
    window = [*earlier, True][-settings.window :]
    if sum(window) >= settings.breaches:
        return "alarm", f"{sum(window)} of the last {len(window)} nights are over a threshold"
    return "warn", f"over a threshold on one night; an alarm at {settings.breaches} of {settings.window}"


def _name(line: str | None) -> str:
    return line or "all images"
