"""Defect or good: the decision at a model's operating point."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from steelflow.models.spec import ModelSpec

Floats = npt.NDArray[np.float32]


def good_indices(spec: ModelSpec) -> list[int]:
    """The indices of the good classes."""
    return [spec.classes.index(name) for name in spec.good]


def defect_scores(probabilities: Floats, spec: ModelSpec) -> Floats:
    """1 − Σ p(good), (N, C, …) to (N, …), within 0 and 1. All ones for a model without good classes."""
    good: Floats = probabilities[:, good_indices(spec)].sum(axis=1)
    return np.asarray(np.clip(np.float32(1) - good, 0, 1), np.float32)


def is_defect(probabilities: Floats, spec: ModelSpec) -> npt.NDArray[np.bool_]:
    """(N,): is the score above the operating point; without one, is the most probable class a defect?"""
    if spec.operating_point is None:
        return ~np.isin(probabilities.argmax(axis=1), good_indices(spec))
    return np.asarray(defect_scores(probabilities, spec) > np.float32(spec.operating_point))


def labels_at(probabilities: Floats, spec: ModelSpec) -> npt.NDArray[np.intp]:
    """Label indices (N,): of a defect the most probable defect class, else the most probable good class."""
    if spec.operating_point is None:
        return np.asarray(probabilities.argmax(axis=1), np.intp)
    good = np.zeros(len(spec.classes), bool)
    good[good_indices(spec)] = True
    wanted = is_defect(probabilities, spec)[:, None] != good
    return np.asarray(np.where(wanted, probabilities, np.float32(-1)).argmax(axis=1), np.intp)
