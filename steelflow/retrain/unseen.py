"""Held-out images that trained no candidate, not even through the champion that it began with.

A fine-tuned candidate remembers the images that trained the champion. Some of them may be held out now: a champion that
was trained elsewhere, or ships, had another split. They flatter it, so the better candidate is chosen by the others, if
these are enough.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from steelflow.config import LimitSettings
from steelflow.engine import open_engine
from steelflow.images.beside import limits_in
from steelflow.inspection.judge import judge
from steelflow.models.seen import among, trained_on
from steelflow.records import RawImage
from steelflow.retrain.gate import FEWEST, Mask
from steelflow.training.metrics import Evaluation, evaluate

_TOGETHER = 64


def unseen(models: Sequence[Path], images: Sequence[bytes]) -> Mask | None:
    """Which of N ``images`` (SHA-256) trained none of the ONNX files ``models``: (N,). None if all did not, or if fewer
    than ten did not: then they decide nothing."""
    known = np.zeros(len(images), bool)
    for model in models:
        known |= among(trained_on(model, hashlib.sha256(model.read_bytes()).hexdigest()), images)
    return ~known if known.any() and (~known).sum() >= FEWEST else None


def figures(model: Path, data: Path, files: Sequence[Path], limits: LimitSettings | None) -> Evaluation:
    """Of ``model`` on ``files``, in the folders of their classes below ``data``. Unreadable ones are left out."""
    engine, limits = open_engine(model), limits or LimitSettings()
    limits_of: Callable[[str], LimitSettings] = limits_in(data, limits)
    labels, probabilities = [], []
    for start in range(0, len(files), _TOGETHER):
        some = files[start : start + _TOGETHER]
        raw = [RawImage(file.relative_to(data).as_posix(), None, 0, file.read_bytes()) for file in some]
        judged = judge(raw, engine, limits, lambda image: limits_of(image.key))
        labels += [engine.spec.classes.index(some[number].parent.name) for number in judged.good]
        probabilities.append(judged.probabilities)
    return evaluate(np.array(labels, np.int64), np.concatenate(probabilities).astype(np.float64), engine.spec.classes)
