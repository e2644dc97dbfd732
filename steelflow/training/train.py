"""From labelled images to a model that can be shipped: weights, ONNX, figures and a card."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from steelflow.errors import ConfigError, DataError, TrainingError
from steelflow.models import architecture
from steelflow.models.spec import ModelSpec
from steelflow.models.weights_file import origin_of
from steelflow.training.artifacts import write_artifacts
from steelflow.training.checkpoint import Checkpoint
from steelflow.training.data import SPLIT_RULE, Dataset, Skipped, load_images
from steelflow.training.distil import Ensemble, load_teacher
from steelflow.training.loss import class_weights
from steelflow.training.metrics import Evaluation
from steelflow.training.precision import Precision, Wanted, checked
from steelflow.training.recipe import Recipe
from steelflow.training.state import Progress
from steelflow.training.trained import HELD_OUT, Indices, Trained, best_device, logits_of, train_in_memory
from steelflow.training.transfer import Phases

__all__ = ["Trained", "TrainingResult", "logits_of", "suited_epochs", "train", "train_in_memory"]

_IMAGES_SEEN = 160 * 1152  # docs/results/ssdc_mininet-seeds.json
_TUNING_RATE = 1 / 6
_FEW_IMAGES_SEEN = 80_000  # docs/results/mobilesteelnet-steelnet-ours-15-a-class.json


@dataclass(frozen=True, slots=True)
class HoldOut:
    """A rule of its own for what is held out: ``is_held_out`` of an image's SHA-256, and the rule in words.

    ``times`` says, of the same, how often an image is shown in an epoch if it is trained on.
    """

    rule: str
    is_held_out: Callable[[bytes], bool]
    times: Callable[[bytes], int] = lambda _: 1

    def split(self, data: Dataset) -> tuple[Indices, Indices]:
        """Training indices, some of them several times, and held-out ones. Raises ``DataError`` where one of the two
        would be empty."""
        held_out = np.array([self.is_held_out(digest) for digest in data.digests])
        if held_out.all() or not held_out.any():
            raise DataError(f"of {len(held_out)} images {held_out.sum()} would be held out ({self.rule}); label more")
        training = np.flatnonzero(~held_out)
        return np.repeat(training, [self.times(data.digests[i]) for i in training]), np.flatnonzero(held_out)


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Where the model is and what it is worth on the images it has not seen."""

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
    resumed_after: int  # epochs that an interrupted run had done
    precision: Precision


def train(
    data_dir: Path,
    arch: str,
    out_dir: Path,
    *,
    epochs: int | None = None,
    seed: int = 0,
    name: str | None = None,
    input_size: int | None = None,
    recipe: Recipe | None = None,
    teachers: Sequence[str] = (),
    pretrained: bool | Path = False,
    start: str | None = None,
    hold_out: HoldOut | None = None,
    phases: Phases | None = None,
    device: str | None = None,
    precision: Wanted = "fp32",
    about: str = "",
    on_epoch: Callable[[Progress], None] | None = None,
    **changes: Any,
) -> TrainingResult:
    """Train ``arch`` on ``data_dir`` and write ``<name>.onnx``, ``<name>.safetensors``, ``metrics.json``, ``<name>.md``
    and ``<name>.curves.png`` to ``out_dir``: all of them at the end, or none.

    A training that was interrupted goes on when it is called again with the same arguments, to the same weights.

    Args:
        data_dir: one folder per class, or a manifest (see ``data.load_images``).
        epochs: passes over the training part; ``suited_epochs`` of it when neither this nor a recipe is given.
        seed: decides the split, the initial weights, the order and the augmentation.
        name: of the model and its files; ``arch`` when not given.
        input_size: S, to which images are area-resized; that of ``start``, else of the architecture, when not given.
        teachers: models (shipped names or ONNX files) whose mean probability it learns from, too.
        pretrained: start from ImageNet weights, torchvision's or those of a file, and fine-tune in two phases.
        start: the model (a shipped name or ONNX file) from whose weights it starts, with a sixth of the usual rate.
        hold_out: which images are held out, where it is not a fifth by seed.
        phases: of the fine-tuning, with their own epochs and rates; ``epochs`` are divided among them.
        device: ``cpu`` or ``cuda``; a GPU where there is one, when not given.
        precision: of the training steps: ``fp32``, ``bf16``, or ``auto``, the faster of the two for this network here:
            another machine may take the other one, and end with other weights.
        about: what the data are and how to cite them, for the card.
        changes: fields of the recipe that shall be different.

    Raises:
        DataError: the images cannot be used (see ``load_images``).
        ModelError: no such architecture or teacher, no ImageNet weights to be had, or the exported model differs from
            the trained one.
        TrainingError: the loss broke (the message names the last good weights), or ``out_dir`` has the checkpoint of
            another training or cannot be written to.
        ConfigError: an argument is out of range, or does nothing beside another.
    """
    if epochs is not None and epochs < 1:
        raise ConfigError(f"epochs is {epochs}; at least one is needed")
    entry = architecture(arch)  # an unknown name is told before a million images are read
    usual = Recipe() if entry.learning_rate is None else Recipe(learning_rate=entry.learning_rate)
    master = None if start is None else load_teacher(start)
    if master is not None:
        if pretrained:
            raise ConfigError("one network cannot start from ImageNet weights and from those of a model; leave one out")
        usual = replace(usual, learning_rate=usual.learning_rate * _TUNING_RATE)
    changed = replace(recipe or usual, **changes)
    if pretrained or phases:
        if "learning_rate" in changes:
            raise ConfigError("fine-tuning has the learning rates of its two phases; leave the learning rate out")
        phases = (phases or Phases()).within(epochs) if epochs else phases or Phases()
    if input_size is None:
        input_size = entry.input_size if master is None else master.spec.input_size
    if not 32 <= input_size <= 1024:
        raise ConfigError(f"input size is {input_size}; give 32 to 1024 pixels")
    place, precision, origin = best_device(device), checked(precision), origin_of(pretrained)
    masters = [load_teacher(ref) for ref in teachers]
    name = name or arch
    started = time.perf_counter()
    data = load_images(data_dir, input_size)
    if epochs is None:
        epochs = changed.epochs if recipe else suited_epochs(round((1 - HELD_OUT) * len(data.labels)))
    changed = replace(changed, epochs=epochs)
    fingerprint = {
        "arch": arch,
        "data": data.hash,
        "seed": seed,
        "input_size": input_size,
        "recipe": asdict(changed),
        "teachers": [master.digest for master in masters],
        "pretrained": origin,
        "start": None if master is None else master.digest,
        "hold_out": None if hold_out is None else hold_out.rule,
        "phases": None if phases is None else asdict(phases),
        "device": place.type,
        "precision": precision,
        "torch": str(torch.__version__),
    }
    checkpoint = Checkpoint(out_dir / f"{name}.checkpoint.safetensors", fingerprint)
    trained = train_in_memory(
        data,
        arch,
        changed,
        seed,
        name=name,
        teacher=Ensemble(masters, data.classes) if masters else None,
        pretrained=pretrained,
        start=master,
        parts=None if hold_out is None else hold_out.split(data),
        phases=phases,
        device=place,
        precision=precision,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
        rescue=out_dir / f"{name}.last-good.safetensors",
    )
    seconds = time.perf_counter() - started + trained.history.seconds_before
    parts = {"training": trained.training, "validation": trained.validation, "held_out": trained.held_out}
    record = {
        "model": trained.spec.model_dump(mode="json"),
        "held_out": trained.evaluation.to_dict(),
        "images": {part: len(indices) for part, indices in parts.items()},
        "skipped": [{"path": item.path, "reason": str(item.failure)} for item in data.skipped],
        "about": about,
        "data_hash": data.hash,
        "split": SPLIT_RULE.format(share=HELD_OUT, seed=seed) if hold_out is None else hold_out.rule,
        "seed": seed,
        "recipe": asdict(changed),
        "kept_epoch": trained.history.kept,
        "class_weights": _class_weights(data, trained.training, changed),
        "teachers": [{"ref": ref, "weights": master.digest} for ref, master in zip(teachers, masters, strict=True)],
        "pretrained": origin,
        "start": None if master is None else {"ref": start, "weights": master.digest},
        "phases": fingerprint["phases"],
        "device": place.type,
        "precision": trained.history.precision,
        "seconds": round(seconds, 1),
    }
    try:
        seen_by_both = data.images[trained.held_out][:, None]  # where torch and onnxruntime have to agree
        files = write_artifacts(
            out_dir, trained.model, trained.spec, trained.history, record, seen_by_both, trained.novelty
        )
    except OSError as exc:
        raise TrainingError(f"{out_dir}: cannot be written: {exc.strerror}; name another folder with --out") from exc
    checkpoint.remove()
    return TrainingResult(
        files.onnx,
        files.weights,
        files.metrics,
        files.card,
        files.curves,
        spec=trained.spec,
        evaluation=trained.evaluation,
        trained_on=len(trained.training),
        skipped=data.skipped,
        seconds=seconds,
        epochs=len(trained.history.curves),
        resumed_after=trained.history.resumed_after,
        precision=trained.history.precision,
    )


def suited_epochs(images: int) -> int:
    """Passes that show about 184,000 images, which is where five seeds on 1,152 images came to 99.9 %; at least 20.

    No more than 200, but where the images are so few that 200 passes would show less than 80,000.
    """
    images = max(images, 1)
    return min(max(round(_IMAGES_SEEN / images), 20), max(200, round(_FEW_IMAGES_SEEN / images)))


def _class_weights(data: Dataset, training: Indices, recipe: Recipe) -> dict[str, float] | None:
    """For the record: what ``fit`` worked with."""
    weights = class_weights(torch.from_numpy(data.labels[training])) if recipe.class_weighting else None
    return None if weights is None else dict(zip(data.classes, weights.tolist(), strict=True))
