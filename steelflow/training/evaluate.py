"""Evaluate a model on labelled images, undisturbed and disturbed, with the engine that inspection uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from steelflow.config import LimitSettings, Settings
from steelflow.errors import DataError
from steelflow.images.beside import limits_in
from steelflow.images.decode import Grey, decode, resize
from steelflow.inspection.pipeline import Model, load_model
from steelflow.models.seen import seen
from steelflow.records import Failure
from steelflow.training.data import Dataset, Skipped, load_images, split
from steelflow.training.metrics import Evaluation, confusion
from steelflow.training.metrics import evaluate as figures
from steelflow.training.robustness import CASI_NET, Condition

if TYPE_CHECKING:
    from steelflow.training.operating_point import AtPoint

_AT_ONCE = 64  # images in a batch, at most: memory holds a copy for every condition

Confusion = npt.NDArray[np.int64]  # (C, C): rows are true classes, columns are decisions


@dataclass(frozen=True, slots=True)
class Disturbed:
    """The figures under one condition."""

    accuracy: float
    macro_f1: float

    @classmethod
    def of(cls, matrix: Confusion) -> Disturbed:
        """F1 = 2·TP / (2·TP + FP + FN); the mean is over the classes that have images."""
        right, support, decided = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
        f1 = 2 * right[support > 0] / (support + decided)[support > 0]
        return cls(float(right.sum() / matrix.sum()), float(f1.mean()))


@dataclass(frozen=True, slots=True)
class ModelEvaluation:
    """The figures, and the unreadable files, which are not part of them.

    ``held_out`` is the seed of the fifth that was evaluated, None for all images. ``data_hash`` identifies the whole
    set. ``seen`` is the number of evaluated images that trained the model, None if that is unknown.
    ``disturbed`` has a value for each requested condition. ``at_point`` is of good against defect, for a model of
    views.
    """

    model: str
    engine: str
    held_out: int | None
    data_hash: str
    figures: Evaluation
    disturbed: Mapping[str, Disturbed]
    skipped: tuple[Skipped, ...]
    at_point: AtPoint | None = None
    seen: int | None = None

    @property
    def mean(self) -> float:
        """The mean accuracy over the conditions."""
        return float(np.mean([found.accuracy for found in self.disturbed.values()]))

    @property
    def worst(self) -> tuple[str, float]:
        """The condition with the lowest accuracy, and that accuracy."""
        name = min(self.disturbed, key=lambda name: self.disturbed[name].accuracy)
        return name, self.disturbed[name].accuracy

    def to_dict(self) -> dict[str, Any]:
        found = {
            "model": self.model,
            "engine": self.engine,
            "held_out": self.held_out,
            "data_hash": self.data_hash,
            "seen_in_training": self.seen,
            **self.figures.to_dict(),
            "skipped": [{"path": item.path, "reason": str(item.failure)} for item in self.skipped],
        }
        if self.at_point is not None:
            found["at_point"] = self.at_point.to_dict()
        if self.disturbed:
            condition, accuracy = self.worst
            found["robustness"] = {
                "conditions": {
                    name: {"accuracy": d.accuracy, "macro_f1": d.macro_f1, "casi_net": CASI_NET.get(name)}
                    for name, d in self.disturbed.items()
                },
                "mean_accuracy": self.mean,
                "worst": {"condition": condition, "accuracy": accuracy},
            }
        return found


def evaluate_folder(
    data: Path,
    settings: Settings,
    *,
    held_out: int | None = None,
    conditions: Mapping[str, Condition] | None = None,
    seed: int = 0,
    progress: Callable[[int], None] = lambda _: None,
    model: Model | None = None,
) -> ModelEvaluation:
    """Classify labelled images with the configured model and compare with their labels.

    Images are read in batches and not kept. Only probabilities and digests stay in memory.

    Args:
        data: one folder per class, or a manifest (see ``training.data.load_images``).
        held_out: evaluate only the fifth that training with this seed holds out; all images when not given.
        conditions: disturbances under which the images are classified again.
        seed: seeds the random conditions, together with the bytes of each file.
        progress: called with the number of images classified since the last call.
        model: the configured model, if it is loaded already.

    Raises:
        DataError: the labelled images cannot be read, or have classes that the model does not know.
        ModelError: the model cannot be loaded.
    """
    model = model or load_model(settings)
    spec = model.engine.spec
    listed = load_images(data, 1, settings.limits, at_least=1)  # lists the readable files; keeps one pixel of each
    unknown = sorted(set(listed.classes) - set(spec.classes))
    if unknown:
        raise DataError(
            f"{data}: classes {', '.join(unknown)} are unknown to {spec.name}, which has {', '.join(spec.classes)}; "
            "rename the folders, or train a model on them"
        )
    chosen = np.arange(len(listed.labels)) if held_out is None else split(listed, seed=held_out)[1]
    if len(chosen) == 0:
        raise DataError(f"{data}: too few images to hold out a fifth; omit --held-out to evaluate all images")
    labels = np.array([spec.classes.index(name) for name in listed.classes])[listed.labels]
    root = data if data.is_dir() else data.parent
    judge = partial(_judge, root, listed, labels, model, settings.limits, dict(conditions or {}), seed)
    parts = np.array_split(chosen, -(-len(chosen) // min(model.batch_size, _AT_ONCE)))
    probabilities: list[npt.NDArray[np.float32]] = []
    matrices = {name: np.zeros((len(spec.classes),) * 2, np.int64) for name in conditions or {}}
    with ThreadPoolExecutor(model.workers) as pool:
        for as_they_are, disturbed in pool.map(judge, parts):
            probabilities.append(as_they_are)
            for name, matrix in disturbed.items():
                matrices[name] += matrix
            progress(len(as_they_are))
    return ModelEvaluation(
        spec.name,
        model.engine.name,
        held_out,
        listed.hash,
        figures(labels[chosen], np.concatenate(probabilities).astype(np.float64), spec.classes),
        {name: Disturbed.of(matrix) for name, matrix in matrices.items()},
        listed.skipped,
        seen=seen(model.path or settings.model.ref, model.engine.digest, [listed.digests[i] for i in chosen]),
    )


def _judge(
    root: Path,
    listed: Dataset,
    labels: npt.NDArray[np.int64],
    model: Model,
    limits: LimitSettings,
    conditions: dict[str, Condition],
    seed: int,
    part: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.float32], dict[str, Confusion]]:
    """Probabilities (N, C) of the undisturbed images ``part``, and their decisions under each condition."""
    size, classes = model.engine.spec.input_size, len(model.engine.spec.classes)
    plain = np.empty((len(part), 1, size, size), np.uint8)
    disturbed = {name: np.empty_like(plain) for name in conditions}
    limits_of = limits_in(root, limits)
    for place, index in enumerate(part):
        picture = _picture(root / listed.paths[index], limits_of(listed.paths[index]))
        resize(picture, size, plain[place, 0])
        for name, condition in conditions.items():
            rng = np.random.default_rng([seed, int.from_bytes(listed.digests[index])])
            resize(condition(picture[None], rng)[0], size, disturbed[name][place, 0])
    decisions = {name: model.engine.run(batch).probabilities.argmax(1) for name, batch in disturbed.items()}
    return (
        model.engine.run(plain).probabilities,
        {name: confusion(labels[part], decided, classes) for name, decided in decisions.items()},
    )


def _picture(path: Path, limits: LimitSettings) -> Grey:
    """Decode a file that was readable in the first pass."""
    try:
        picture = decode(path.read_bytes(), limits)
    except OSError as exc:
        raise DataError(f"{path}: has become unreadable: {exc.strerror}; run the command again") from exc
    if isinstance(picture, Failure):
        raise DataError(f"{path}: changed while the images were being read; run the command again")
    return picture
