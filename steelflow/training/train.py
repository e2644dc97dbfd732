"""Train on labelled images and write a model: weights, ONNX, figures and a card."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from steelflow.errors import TrainingError
from steelflow.models.seen import Marks, marks
from steelflow.models.spec import ModelSpec
from steelflow.training.artifacts import Artifacts, write_artifacts
from steelflow.training.checkpoint import Checkpoint
from steelflow.training.data import Dataset, Indices, Skipped, load_images
from steelflow.training.loss import class_weights
from steelflow.training.method import Callbacks, Method
from steelflow.training.metrics import Evaluation
from steelflow.training.plan import HoldOut, Ready, TrainingPlan, suited_epochs
from steelflow.training.precision import Precision
from steelflow.training.recipe import Recipe
from steelflow.training.remembered import remembered
from steelflow.training.state import Progress
from steelflow.training.trained import Trained, train_in_memory
from steelflow.training.unlabelled import Unlabelled

__all__ = ["HoldOut", "TrainingPlan", "TrainingResult", "suited_epochs", "train"]


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The files of the model and its figures on the held-out images."""

    onnx: Path
    weights: Path
    metrics: Path
    card: Path
    curves: Path
    spec: ModelSpec
    evaluation: Evaluation
    trained_on: int
    skipped: tuple[Skipped, ...]
    seconds: float
    epochs: int
    resumed_after: int  # epochs done by an interrupted run
    precision: Precision


def train(
    data_dir: Path, plan: TrainingPlan, out_dir: Path, on_epoch: Callable[[Progress], None] | None = None
) -> TrainingResult:
    """Train on ``data_dir`` and write ``<name>.onnx``, ``<name>.safetensors``, ``metrics.json``, ``<name>.md`` and
    ``<name>.curves.png`` to ``out_dir``: all of them at the end, or none.

    An interrupted training resumes when it is called again with the same arguments, and gives the same weights.

    Args:
        data_dir: one folder per class, or a manifest (see ``data.load_images``).

    Raises:
        DataError: the images cannot be used (see ``load_images``).
        ModelError: no such architecture or teacher, no ImageNet weights available, or the exported model differs from
            the trained model.
        TrainingError: the loss is no longer finite (the message names the last good weights), ``out_dir`` has the
            checkpoint of another training, or it cannot be written to.
        ConfigError: an argument is out of range, or has no effect together with another argument.
    """
    ready = plan.ready()
    started = time.perf_counter()
    data = load_images(data_dir, ready.input_size, plan.limits)
    others = ready.unlabelled(data)
    recipe = ready.recipe_for(len(data.labels), 0 if others is None else len(others.images))
    method = ready.method(data.classes, others)
    checkpoint = Checkpoint(out_dir / f"{ready.name}.checkpoint.safetensors", ready.fingerprint(data, recipe, others))
    again = Checkpoint(
        out_dir / f"{ready.name}.on-all.checkpoint.safetensors", {**checkpoint.fingerprint, "on_all": True}
    )
    runs = [_trained(ready, data, recipe, method, ready.parts(data), checkpoint, on_epoch)]
    if plan.on_all:
        whole = np.sort(np.concatenate([runs[0].training, runs[0].held_out]))
        runs.append(_trained(ready, data, recipe, method, (whole, runs[0].held_out), again, on_epoch))
    trained = replace(runs[-1], evaluation=runs[0].evaluation)  # the second training has seen the held-out images
    seconds = time.perf_counter() - started + sum(run.history.seconds_before for run in runs)
    record = _record(ready, recipe, data, trained, seconds) | _about_others(others)
    files = _write(out_dir, data, trained, record, _learned_from(ready, data, trained, others))
    for file in (checkpoint, again):
        file.remove()
    return TrainingResult(
        onnx=files.onnx,
        weights=files.weights,
        metrics=files.metrics,
        card=files.card,
        curves=files.curves,
        spec=trained.spec,
        evaluation=trained.evaluation,
        trained_on=len(trained.training),
        skipped=data.skipped + (() if others is None else others.skipped),
        seconds=seconds,
        epochs=len(trained.history.curves),
        resumed_after=trained.history.resumed_after,
        precision=trained.history.precision,
    )


def _trained(
    ready: Ready,
    data: Dataset,
    recipe: Recipe,
    method: Method,
    parts: tuple[Indices, Indices] | None,
    checkpoint: Checkpoint,
    on_epoch: Callable[[Progress], None] | None,
) -> Trained:
    """One training, on the first of ``parts``, with the figures on the second."""
    return train_in_memory(
        data,
        ready.plan.arch,
        recipe,
        ready.plan.seed,
        name=ready.name,
        parts=parts,
        method=method,
        callbacks=Callbacks(
            checkpoint=checkpoint,
            on_epoch=on_epoch,
            rescue=checkpoint.path.with_name(f"{ready.name}.last-good.safetensors"),
        ),
    )


def _learned_from(ready: Ready, data: Dataset, trained: Trained, others: Unlabelled | None) -> Marks:
    """Of the images that trained this model, and the one that it began with."""
    own = marks([*_digests(data, trained.training), *(() if others is None else others.digests)])
    before = None if ready.start is None else ready.start.learned_from
    return own if before is None else np.union1d(own, before)


def _digests(data: Dataset, indices: Indices) -> list[bytes]:
    return [data.digests[i] for i in indices]


def _record(ready: Ready, recipe: Recipe, data: Dataset, trained: Trained, seconds: float) -> dict[str, Any]:
    """The content of metrics.json. The card is made from it."""
    plan, held_out = ready.plan, _digests(data, trained.held_out)
    parts = {"training": trained.training, "validation": trained.validation, "held_out": trained.held_out}
    teachers = zip(plan.teachers, ready.teachers, strict=True)
    return {
        "model": trained.spec.model_dump(mode="json"),
        "held_out": trained.evaluation.to_dict(),
        "images": {part: len(indices) for part, indices in parts.items()},
        "skipped": [{"path": item.path, "reason": str(item.failure)} for item in data.skipped],
        "about": plan.about,
        "data_hash": data.hash,
        "split": ready.split_rule,
        "seed": plan.seed,
        "on_all": plan.on_all,
        "recipe": asdict(recipe),
        "kept_epoch": trained.history.kept,
        "class_weights": _class_weights(data, trained.training, recipe),
        "teachers": [{"ref": ref, "weights": teacher.digest} for ref, teacher in teachers],
        "pretrained": ready.origin,
        "start": None if ready.start is None else {"ref": plan.start, "weights": ready.start.digest},
        "start_knew": remembered([] if ready.start is None else [ready.start.learned_from], held_out),
        "teachers_knew": remembered([teacher.learned_from for teacher in ready.teachers], held_out),
        "phases": None if ready.phases is None else asdict(ready.phases),
        "device": ready.device.type,
        "precision": trained.history.precision,
        "seconds": round(seconds, 1),
    }


def _about_others(others: Unlabelled | None) -> dict[str, Any]:
    """The pictures without labels, for the record."""
    if others is None:
        return {}
    return {"unlabelled": {"images": len(others.images), "left_out": others.labelled, "skipped": len(others.skipped)}}


def _class_weights(data: Dataset, training: Indices, recipe: Recipe) -> dict[str, float] | None:
    """The class weights that ``fit`` used, for the record."""
    weights = class_weights(torch.from_numpy(data.labels[training])) if recipe.class_weighting else None
    return None if weights is None else dict(zip(data.classes, weights.tolist(), strict=True))


def _write(out_dir: Path, data: Dataset, trained: Trained, record: dict[str, Any], learned_from: Marks) -> Artifacts:
    seen_by_both = data.images[trained.held_out][:, None]  # torch and onnxruntime must agree on these
    try:
        return write_artifacts(
            out_dir, trained.model, trained.spec, trained.history, record, seen_by_both, trained.novelty, learned_from
        )
    except OSError as exc:
        raise TrainingError(f"{out_dir}: cannot be written: {exc.strerror}; name another folder with --out") from exc
