"""Train a model of strip on annotated pictures: views, maps, good as a class, an operating point."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from steelflow.engine import Engine
from steelflow.errors import DataError
from steelflow.models.dense import DenseNetwork
from steelflow.models.deployable import Deployable
from steelflow.models.novelty import Novelty
from steelflow.models.spec import ModelSpec
from steelflow.models.weights_file import load_weights
from steelflow.training.annotations import Annotations
from steelflow.training.checkpoint import Checkpoint
from steelflow.training.loop import one_thread
from steelflow.training.method import best_device
from steelflow.training.metrics import fit_temperature
from steelflow.training.precision import choose_precision
from steelflow.training.strip.batches import Batch, Batches, Drawn, Pool, stacked
from steelflow.training.strip.calibrate import evaluated, fit_embedding
from steelflow.training.strip.draw import Drawer
from steelflow.training.strip.figures import Separation
from steelflow.training.strip.fit import StripProgress, fit_dense
from steelflow.training.strip.loss import DenseLoss
from steelflow.training.strip.pictures import Pictures
from steelflow.training.strip.plan import StripPlan, dense_network
from steelflow.training.strip.start import begin_with
from steelflow.training.strip.write import StripFiles, write_model

_CALIBRATION = 256  # views


@dataclass(frozen=True, slots=True)
class StripModel:
    """A trained model in memory, with its figures on the held-out pictures."""

    model: Deployable
    spec: ModelSpec
    novelty: Novelty
    figures: Separation
    training: tuple[int, ...]  # indices into the annotations
    held_out: tuple[int, ...]
    views: Batch  # training views on which torch and onnxruntime must agree


@dataclass(frozen=True, slots=True)
class TrainedStrip:
    """The files of a model, and its figures on the held-out pictures at its operating point."""

    onnx: Path
    weights: Path
    metrics: Path
    card: Path
    spec: ModelSpec
    figures: Separation
    trained_on: int
    seconds: float


def train_strip(
    annotations: Annotations,
    out: Path,
    plan: StripPlan = StripPlan(),  # noqa: B008  immutable
    *,
    on_step: Callable[[StripProgress], None] | None = None,
) -> TrainedStrip:
    """Train on ``annotations`` and write ``<name>.onnx``, ``<name>.safetensors``, ``<name>.json`` and ``<name>.md`` to
    ``out``: all of them at the end, or none. An interrupted training goes on from its checkpoint in ``out``, on the CPU
    to the same weights.

    Raises:
        DataError: no good or no defect pictures, or a picture can no longer be read.
        ModelError: no such architecture or pretrained weights, or the export differs from the trained model.
        TrainingError: the loss is no longer finite, ``out`` has the checkpoint of another training, or it cannot be
            written to.
        ConfigError: the architecture has no map, the teacher does not fit, or there is no such device.
    """
    began = time.perf_counter()
    parts = _parts(annotations, plan)
    checkpoint = Checkpoint(out / f"{plan.name}.checkpoint.safetensors", plan.fingerprint(annotations, parts))
    trained = train_views(annotations, plan, parts=parts, checkpoint=checkpoint, on_step=on_step)
    seconds = time.perf_counter() - began
    files: StripFiles = write_model(out, annotations, plan, trained, seconds)
    checkpoint.remove()
    return TrainedStrip(
        onnx=files.onnx,
        weights=files.weights,
        metrics=files.metrics,
        card=files.card,
        spec=trained.spec,
        figures=trained.figures,
        trained_on=len(trained.training),
        seconds=seconds,
    )


def train_views(
    annotations: Annotations,
    plan: StripPlan,
    *,
    parts: tuple[Sequence[int], Sequence[int]] | None = None,
    checkpoint: Checkpoint | None = None,
    on_step: Callable[[StripProgress], None] | None = None,
) -> StripModel:
    """Train in memory; see ``train_strip``.

    Args:
        parts: training and held-out pictures, instead of the plan's split.
    """
    spec = plan.spec(annotations)
    teacher = plan.load_teacher(spec)
    training, held_out = parts or _parts(annotations, plan)
    read = Pictures(annotations)
    good = tuple(spec.classes.index(name) for name in spec.good)
    numbers = [spec.classes.index(annotations.items[i].label) for i in training]
    if all(number in good for number in numbers):
        raise DataError(f"{annotations.root}: no defect among the training pictures; add some")
    device = best_device(plan.device)
    with one_thread(), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(plan.seed)
        groups = [annotations.items[i].group for i in training]
        drawer = Drawer(read, training, numbers, good, len(spec.classes), plan.augmentation, groups)
        views = stacked(drawer, 64, np.random.default_rng(plan.seed + 1))
        network, model = _fresh(plan, spec, views)
        loss = DenseLoss(good, plan.sharpness)
        model.to(device)
        precision = choose_precision(
            plan.precision, model.network, model.normalise, views.views.to(device), views.labels.clamp(0).to(device)
        )
        for turn, schedule in enumerate(plan.schedules(len(training))):
            batches = _batches(plan, drawer, teacher, plan.seed + 1000 * turn)
            part = None if checkpoint is None else checkpoint.part(turn)
            fit_dense(
                network,
                model.normalise,
                batches,
                loss,
                schedule,
                precision=precision,
                checkpoint=part,
                on_step=on_step,
            )
        model.to("cpu")
        sample = stacked(drawer, _CALIBRATION, np.random.default_rng(plan.seed + 2))
        with torch.inference_mode():
            logits = torch.cat([model(part)[0] for part in torch.split(sample.views, 8)]).numpy()
        known = (sample.labels >= 0).numpy()
        spec = spec.model_copy(update={"temperature": fit_temperature(logits[known], sample.labels.numpy()[known])})
        judged = held_out or (training if plan.operating_point is None else [])
        novelty = fit_embedding(model, spec, read, training, numbers, plan.seed)
        spec, figures = evaluated(model, spec, annotations, read, judged, plan)
    return StripModel(model, spec, novelty, figures, tuple(training), tuple(held_out), views)


def _parts(annotations: Annotations, plan: StripPlan) -> tuple[list[int], list[int]]:
    if not plan.held_out:
        return list(range(len(annotations.items))), []
    return annotations.split(plan.seed, plan.held_out)


def _batches(plan: StripPlan, drawer: Drawer, teacher: Engine | None, seed: int) -> Batches:
    """New views for every step, or some of a pool that the teacher has judged."""
    return Drawn(drawer, seed) if teacher is None else Pool(drawer, teacher, plan.pool, seed)


def _fresh(plan: StripPlan, spec: ModelSpec, views: Batch) -> tuple[DenseNetwork, Deployable]:
    """An untrained model, with the pretrained weights or those of the start that the plan names."""
    network = dense_network(plan.arch, len(spec.classes), spec.input_size)
    model = Deployable(network, spec)
    if plan.pretrained is not None:
        load_weights(network, plan.arch, plan.pretrained, model.normalise(views.views))
    if plan.start is not None:
        begin_with(network, spec, plan.start)
    return network, model
