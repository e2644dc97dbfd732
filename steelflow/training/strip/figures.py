"""Figures of a strip model: how well it separates defects from good surface, and where it says they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steelflow.training.metrics import auc

Scores = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Separation:
    """Good against defect pictures at a share of false alarms. None where there are no such pictures."""

    good: int
    defects: int
    auc: float | None
    asked: float  # share of good pictures that may alarm
    threshold: float
    false_alarms: float | None  # share of good pictures above the threshold
    recall: float | None
    recall_by_class: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def threshold_for(good: Scores, share: float) -> float:
    """The lowest threshold above which at most ``share`` of the ``good`` scores lie; in [0, 1)."""
    if not len(good):
        return 0.5
    ranked = np.sort(good)[::-1]
    allowed = min(int(np.floor(share * len(ranked) + 1e-9)), len(ranked) - 1)
    return float(np.clip(ranked[allowed], 0.0, 1 - 1e-6))


def separation(
    scores: Scores, labels: Sequence[str], good: Sequence[str], share: float, threshold: float | None = None
) -> Separation:
    """Of pictures with ``scores`` (N,) and ``labels``; a picture alarms if its score is above the threshold.

    Args:
        threshold: chosen elsewhere; without it, it is chosen on these good pictures.
    """
    names = np.array(labels)
    fine = np.isin(names, list(good))
    limit = threshold_for(scores[fine], share) if threshold is None else threshold
    above = scores > limit
    return Separation(
        good=int(fine.sum()),
        defects=int((~fine).sum()),
        auc=auc(~fine, scores),
        asked=share,
        threshold=limit,
        false_alarms=float(above[fine].mean()) if fine.any() else None,
        recall=float(above[~fine].mean()) if (~fine).any() and (fine.any() or threshold is not None) else None,
        recall_by_class={str(name): float(above[names == name].mean()) for name in np.unique(names[~fine])},
    )
