"""The ledger of a simulated month: one entry per night, and the summary."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from steelflow.retrain import RetrainResult


@dataclass(frozen=True, slots=True)
class Entry:
    """One night. Accuracies are shares of the readable images; ``alone`` is the accuracy of the first model."""

    date: dt.date
    events: tuple[str, ...]
    images: int
    model: str
    verdict: str
    reasons: tuple[str, ...]
    accuracy: float
    alone: float
    labels: int
    retraining: RetrainResult | None

    def to_dict(self) -> dict[str, Any]:
        """The output of ``--json``."""
        return {
            "date": self.date.isoformat(),
            "events": self.events,
            "images": self.images,
            "model": self.model,
            "verdict": self.verdict,
            "reasons": self.reasons,
            "accuracy": self.accuracy,
            "accuracy_alone": self.alone,
            "labels": self.labels,
            "retraining": None if self.retraining is None else self.retraining.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Accuracy of one model, or of one chain of models, over the nights."""

    mean: float
    worst: float
    last: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts over all nights, the accuracy with retraining (``closed``), and with the first model only (``alone``)."""

    alarms: int
    retrainings: int
    promotions: int
    labels: int
    closed: Accuracy
    alone: Accuracy


def summary(entries: Sequence[Entry]) -> Summary:
    """Summarise at least one night."""
    retrainings = [entry.retraining for entry in entries if entry.retraining is not None]
    return Summary(
        alarms=sum(entry.verdict == "alarm" for entry in entries),
        retrainings=len(retrainings),
        promotions=sum(one.state == "promoted" for one in retrainings),
        labels=sum(entry.labels for entry in entries),
        closed=_accuracy([entry.accuracy for entry in entries]),
        alone=_accuracy([entry.alone for entry in entries]),
    )


def _accuracy(nights: Sequence[float]) -> Accuracy:
    return Accuracy(mean=statistics.fmean(nights), worst=min(nights), last=nights[-1])
