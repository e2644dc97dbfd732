"""Figures of a strip model: how well it separates defects from good surface, and where it says they are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steelflow.training.metrics import auc

Scores = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Separation:
    """Good against defect pictures at a share of false alarms. None where there are no such pictures.

    ``threshold`` is fitted on all good pictures. If ``crossed``, false alarms and recall are at thresholds that were
    fitted on other groups of them (see ``crossed_thresholds``), as on strip that did not choose the threshold.
    """

    good: int
    defects: int
    auc: float | None
    asked: float  # share of good pictures that may alarm
    threshold: float
    false_alarms: float | None  # share of good pictures above the threshold
    recall: float | None
    recall_by_class: dict[str, float]
    crossed: bool = False

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def threshold_for(good: Scores, share: float) -> float:
    """The lowest threshold above which at most ``share`` of the ``good`` scores lie; in [0, 1)."""
    if not len(good):
        return 0.5
    ranked = np.sort(good)[::-1]
    allowed = min(int(np.floor(share * len(ranked) + 1e-9)), len(ranked) - 1)
    return float(np.clip(ranked[allowed], 0.0, 1 - 1e-6))


def halves(groups: Sequence[str]) -> Mask:
    """Whether each picture is in the second half: the groups in the order of their SHA-256, in turn."""
    ranked = sorted(set(groups), key=lambda group: hashlib.sha256(group.encode("utf-8", "surrogateescape")).digest())
    second = set(ranked[1::2])
    return np.array([group in second for group in groups], bool)


def crossed_thresholds(scores: Scores, of: npt.NDArray[np.intp], groups: Sequence[str], share: float) -> Scores | None:
    """For each picture (N,), the threshold for ``share`` of the good scores of the half of the groups without it.

    Args:
        scores: of good pictures or their views, (V,); ``of`` are the pictures that they are from.
        groups: of the pictures, (N,).

    Returns:
        None if one half has no good pictures.
    """
    second = halves(groups)
    parts = [scores[second[of] == half] for half in (True, False)]
    if not all(len(part) for part in parts):
        return None
    for_first, for_second = (threshold_for(part, share) for part in parts)
    return np.where(second, for_second, for_first)


def separation(
    scores: Scores,
    labels: Sequence[str],
    good: Sequence[str],
    share: float,
    threshold: float | None = None,
    crossed: Scores | None = None,
) -> Separation:
    """Of pictures with ``scores`` (N,) and ``labels``; a picture alarms if its score is above the threshold.

    Args:
        threshold: chosen elsewhere; without it, it is chosen on these good pictures.
        crossed: thresholds (N,) at which the pictures are judged, instead.
    """
    names = np.array(labels)
    fine = np.isin(names, list(good))
    limit = threshold_for(scores[fine], share) if threshold is None else threshold
    above = scores > (limit if crossed is None else crossed)
    return Separation(
        good=int(fine.sum()),
        defects=int((~fine).sum()),
        auc=auc(~fine, scores),
        asked=share,
        threshold=limit,
        false_alarms=float(above[fine].mean()) if fine.any() else None,
        recall=float(above[~fine].mean()) if (~fine).any() and (fine.any() or threshold is not None) else None,
        recall_by_class={str(name): float(above[names == name].mean()) for name in np.unique(names[~fine])},
        crossed=crossed is not None,
    )
