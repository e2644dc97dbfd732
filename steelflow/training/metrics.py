"""Figures of merit of a classifier, as pure functions of arrays.

``y_true`` is int (N,) with values in 0…C−1. ``probabilities`` is float (N, C); each row sums to 1. The decision is the
class with the largest probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steelflow.errors import DataError

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]

ECE_BINS = 15


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Figures of one class; undefined figures are None (see ``evaluate``)."""

    name: str
    support: int
    precision: float | None
    recall: float | None
    f1: float | None
    auc: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of a model on one set of images."""

    images: int
    accuracy: float
    macro_f1: float
    ece: float
    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]  # rows: true classes, columns: decisions

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; ``auc`` is the mean over the classes that have an AUC."""
        known = [figure.auc for figure in self.classes if figure.auc is not None]
        return {
            "images": self.images,
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "auc": float(np.mean(known)) if known else None,
            "ece": self.ece,
            "classes": [figure.name for figure in self.classes],
            "per_class": {
                figure.name: {key: value for key, value in asdict(figure).items() if key != "name"}
                for figure in self.classes
            },
            "confusion_matrix": [list(row) for row in self.confusion],
        }


def evaluate(y_true: Ints, probabilities: Floats, classes: Sequence[str]) -> Evaluation:
    """Compute all figures.

    Recall, F1 and AUC are None for a class without images. Precision is None for a class that was never predicted.
    Macro F1 is the mean over the classes that have images.

    Raises:
        DataError: no images, shapes that do not match, a label outside the classes, or probabilities that are not
            finite.
    """
    _check(y_true, probabilities, len(classes))
    matrix = confusion(y_true, probabilities.argmax(1), len(classes))
    support, decided, right = matrix.sum(1), matrix.sum(0), matrix.diagonal()
    figures = tuple(
        ClassFigures(
            name=name,
            support=int(support[c]),
            precision=_ratio(right[c], decided[c]),
            recall=_ratio(right[c], support[c]),
            f1=_ratio(2 * right[c], support[c] + decided[c]) if support[c] else None,
            auc=auc(y_true == c, probabilities[:, c]),
        )
        for c, name in enumerate(classes)
    )
    return Evaluation(
        images=len(y_true),
        accuracy=float(right.sum() / len(y_true)),
        macro_f1=float(np.mean([figure.f1 for figure in figures if figure.f1 is not None])),
        ece=ece(y_true, probabilities),
        classes=figures,
        confusion=tuple(tuple(int(n) for n in row) for row in matrix),
    )


def confusion(y_true: Ints, y_pred: Ints, classes: int) -> npt.NDArray[np.int64]:
    """Counts (C, C): rows are true classes, columns are decisions.

    precision = TP / (TP + FP), recall = TP / (TP + FN), F1 = 2·TP / (2·TP + FP + FN).
    """
    return np.bincount(classes * y_true.astype(np.int64) + y_pred, minlength=classes**2).reshape(classes, classes)


def auc(positive: npt.NDArray[np.bool_], score: Floats) -> float | None:
    """Area under the ROC curve: the probability that a positive scores above a negative. A tie counts half.

    AUC = (R − P(P+1)/2) / (P·Q) for P positives with rank sum R and Q negatives (Mann and Whitney 1947). Equal scores
    get their mean rank. None without positives or without negatives.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if positives == 0 or negatives == 0:
        return None
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count - 1) / 2
    return float((rank[place][positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def ece(y_true: Ints, probabilities: Floats, bins: int = ECE_BINS) -> float:
    """Expected calibration error: Σ_b (n_b / N) · |accuracy_b − mean confidence_b| (Guo et al. 2017, eq. 3).

    The confidence is the largest probability; bin b of B holds the confidences in (b/B, (b+1)/B].
    """
    confidence = probabilities.max(1).astype(np.float64)
    right = probabilities.argmax(1) == y_true
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gap = np.bincount(place, weights=right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(y_true))


def softmax(logits: Floats, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """exp(z_c / T) / Σ_k exp(z_k / T) along the last axis."""
    z = np.asarray(logits, dtype=np.float64) / temperature
    e = np.exp(z - z.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


def fit_temperature(logits: Floats, y_true: Ints) -> float:
    """The T in 0.05 … 20 that minimises the mean negative log-likelihood of softmax(logits / T) (Guo et al. 2017).

    The likelihood has one maximum in 1/T. Golden-section search in log T finds it to 0.1 %.
    """

    def loss(log_t: float) -> float:
        p = softmax(logits, float(np.exp(log_t)))[np.arange(len(y_true)), y_true]
        return float(-np.log(np.maximum(p, 1e-300)).mean())

    low, high = np.log(0.05), np.log(20.0)
    golden = (np.sqrt(5) - 1) / 2
    while high - low > 1e-3:
        a, b = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return float(np.exp((low + high) / 2))


def _ratio(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


def _check(y_true: Ints, probabilities: Floats, classes: int) -> None:
    if len(y_true) == 0:
        raise DataError("no images to evaluate; name a folder with images")
    if probabilities.shape != (len(y_true), classes):
        raise DataError(
            f"probabilities have shape {probabilities.shape}, labels and classes need {(len(y_true), classes)}; "
            "evaluate with the classes of the model"
        )
    if y_true.min() < 0 or y_true.max() >= classes:
        raise DataError(f"labels go from {y_true.min()} to {y_true.max()}, the model has classes 0 to {classes - 1}")
    if not np.isfinite(probabilities).all():
        raise DataError("some probabilities are not finite; the model is damaged: train or export it again")
