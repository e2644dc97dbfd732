"""Evaluate a model of views on labelled pictures and frames, each judged by its worst view."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from steelflow.config import Settings
from steelflow.errors import ConfigError, DataError
from steelflow.inspection.pipeline import Model, load_model
from steelflow.models.seen import seen
from steelflow.training.annotations import load_annotations
from steelflow.training.evaluate import ModelEvaluation, evaluate_folder
from steelflow.training.metrics import evaluate as figures
from steelflow.training.operating_point import at_point, scored
from steelflow.training.robustness import CONDITIONS


def evaluate_labelled(
    data: Path, settings: Settings, *, held_out: int | None, robustness: bool, progress: Callable[[int], None]
) -> ModelEvaluation:
    """Evaluate the configured model as it judges: in views (``evaluate_views``), or whole images (``evaluate_folder``).

    Raises:
        ConfigError: ``robustness``, for a model of views.
        DataError, ModelError: as the two.
    """
    model = load_model(settings)
    if model.spec.view is None:
        conditions = CONDITIONS if robustness else None
        return evaluate_folder(data, settings, held_out=held_out, conditions=conditions, progress=progress, model=model)
    if robustness:
        raise ConfigError(f"{model.spec.name} judges views; --robustness is for models of whole images: omit it")
    return evaluate_views(data, model, settings, held_out, progress)


def evaluate_views(
    data: Path,
    model: Model,
    settings: Settings,
    held_out: int | None,
    progress: Callable[[int], None],
) -> ModelEvaluation:
    """As ``evaluate.evaluate_folder``, with the figures of good against defect at the operating point. ``data`` is in
    any format of ``training.annotations``.

    Raises:
        DataError: the pictures cannot be read, or have classes that the model does not know.
    """
    spec = model.engine.spec
    known = load_annotations(data, limits=settings.limits)
    chosen = list(range(len(known.items))) if held_out is None else known.split(held_out)[1]
    if not chosen:
        raise DataError(f"{data}: too few images to hold out a fifth; omit --held-out to evaluate all images")
    judged = scored(known, chosen, model.engine)
    progress(len(chosen))
    point = spec.operating_point
    return ModelEvaluation(
        spec.name,
        model.engine.name,
        held_out,
        known.hash,
        figures(judged.labels, judged.probabilities.astype(np.float64), spec.classes),
        {},
        known.skipped,
        at_point(judged, spec, point) if spec.good and point is not None else None,
        seen(model.path or settings.model.ref, model.engine.digest, [known.items[i].digest for i in chosen]),
    )
