"""What a model is worth on labelled images, through the engine that inspects the nights."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steelflow.config import Settings
from steelflow.errors import DataError
from steelflow.pipeline import load_model
from steelflow.training.data import Dataset, Skipped, load_folder
from steelflow.training.metrics import Evaluation
from steelflow.training.metrics import evaluate as figures


@dataclass(frozen=True, slots=True)
class ModelEvaluation:
    """The figures, and which files could not be read and are not part of them."""

    model: str
    engine: str
    figures: Evaluation
    skipped: tuple[Skipped, ...]

    def to_dict(self) -> dict[str, Any]:
        skipped = [{"path": item.path, "reason": str(item.failure)} for item in self.skipped]
        return {"model": self.model, "engine": self.engine, **self.figures.to_dict(), "skipped": skipped}


def evaluate_folder(data: Path, settings: Settings) -> ModelEvaluation:
    """Judge ``data/<class>/<image>`` with the configured model and compare with the folders' names.

    Raises:
        DataError: the folder cannot be read as labelled images, or has classes that the model does not know.
        ModelError: the model cannot be loaded.
    """
    model = load_model(settings)
    spec = model.engine.spec
    dataset = load_folder(data, spec.input_size, settings.limits, at_least=1)
    unknown = sorted(set(dataset.classes) - set(spec.classes))
    if unknown:
        raise DataError(
            f"{data}: classes {', '.join(unknown)} are unknown to {spec.name}, which has {', '.join(spec.classes)}; "
            "rename the folders, or train a model on them"
        )
    labels = np.array([spec.classes.index(name) for name in dataset.classes])[dataset.labels]
    batches = _batches(dataset, model.batch_size)
    with ThreadPoolExecutor(model.workers) as pool:
        probabilities = np.concatenate([out.probabilities for out in pool.map(model.engine.run, batches)])
    return ModelEvaluation(
        spec.name, model.engine.name, figures(labels, probabilities.astype(np.float64), spec.classes), dataset.skipped
    )


def _batches(dataset: Dataset, size: int) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    images = dataset.images[:, None]
    return [images[start : start + size] for start in range(0, len(images), size)]
