"""From a folder of labelled images to a model that can be shipped: weights, ONNX, figures and a card."""

from __future__ import annotations

import json
import math
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from steelflow.errors import ConfigError, TrainingError
from steelflow.models import architecture
from steelflow.models.deployable import Deployable, save_torch
from steelflow.models.spec import ModelSpec
from steelflow.training.card import card
from steelflow.training.data import SPLIT_RULE, Dataset, load_folder, split
from steelflow.training.export import embedding_dims, export_onnx, fit_projection
from steelflow.training.loop import Progress, Recipe, fit, one_thread
from steelflow.training.metrics import Evaluation, evaluate, fit_temperature, softmax

HELD_OUT = 0.2
_IMAGES_SEEN = 160 * 1152  # docs/results/ssdc_mininet-seeds.json


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Where the model is and what it is worth on the images it has not seen."""

    onnx: Path
    weights: Path
    metrics: Path
    card: Path
    spec: ModelSpec
    evaluation: Evaluation
    trained_on: int
    skipped: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Trained:
    """A model in memory, with its figures on the held-out part."""

    model: Deployable
    spec: ModelSpec
    evaluation: Evaluation
    training: npt.NDArray[np.int64]  # indices into the data
    held_out: npt.NDArray[np.int64]


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
    about: str = "",
    on_epoch: Callable[[Progress], None] | None = None,
) -> TrainingResult:
    """Train ``arch`` on ``data_dir`` (one folder per class) and write ``<name>.onnx``, ``<name>.safetensors``,
    ``metrics.json`` and ``<name>.md`` to ``out_dir``: all of them at the end, or none.

    Args:
        epochs: passes over the training part; ``suited_epochs`` of it when neither this nor a recipe is given.
        seed: decides the split, the initial weights, the order and the augmentation.
        name: of the model and its files; ``arch`` when not given.
        input_size: S, to which images are area-resized; that of the architecture when not given.
        about: what the data are and how to cite them, for the card.

    Raises:
        DataError: the folder cannot be used (see ``load_folder``).
        ModelError: no such architecture, or the exported model differs from the trained one.
        TrainingError: the loss broke; the message names the last good weights.
        ConfigError: an argument is out of range.
    """
    if epochs is not None and epochs < 1:
        raise ConfigError(f"epochs is {epochs}; at least one is needed")
    entry = architecture(arch)  # an unknown name is told before a million images are read
    input_size = entry.input_size if input_size is None else input_size
    if not 32 <= input_size <= 1024:
        raise ConfigError(f"input size is {input_size}; give 32 to 1024 pixels")
    name = name or arch
    started = time.perf_counter()
    data = load_folder(data_dir, input_size)
    if epochs is None and recipe is None:
        epochs = suited_epochs(round((1 - HELD_OUT) * len(data.labels)))
    recipe = recipe or Recipe()
    recipe = replace(recipe, epochs=epochs or recipe.epochs)
    trained = train_in_memory(
        data, arch, recipe, seed, name=name, on_epoch=on_epoch, rescue=out_dir / f"{name}.last-good.safetensors"
    )
    seconds = time.perf_counter() - started
    record = {
        "model": trained.spec.model_dump(mode="json"),
        "held_out": trained.evaluation.to_dict(),
        "images": {"training": len(trained.training), "held_out": len(trained.held_out)},
        "skipped": [{"path": item.path, "reason": str(item.failure)} for item in data.skipped],
        "about": about,
        "data_hash": data.hash,
        "split": SPLIT_RULE.format(share=HELD_OUT, seed=seed),
        "seed": seed,
        "recipe": asdict(recipe),
        "seconds": round(seconds, 1),
        "versions": _versions(),
    }
    try:
        files = _write(out_dir, trained, data, record)
    except OSError as exc:
        raise TrainingError(f"{out_dir}: cannot be written: {exc.strerror}; name another folder with --out") from exc
    return TrainingResult(
        *files,
        spec=trained.spec,
        evaluation=trained.evaluation,
        trained_on=len(trained.training),
        skipped=len(data.skipped),
        seconds=seconds,
    )


def suited_epochs(images: int) -> int:
    """About 5,800 steps of 32 images, which is where five seeds on 1,152 images came to 99.9 %; 20 to 200 passes."""
    return min(max(round(_IMAGES_SEEN / max(images, 1)), 20), 200)


def train_in_memory(
    data: Dataset,
    arch: str,
    recipe: Recipe,
    seed: int,
    *,
    name: str | None = None,
    split_seed: int | None = None,
    parts: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = None,
    on_epoch: Callable[[Progress], None] | None = None,
    rescue: Path | None = None,
) -> Trained:
    """Split, train, calibrate, project and evaluate; the held-out part is touched by nothing but the last.

    Args:
        parts: training and held-out indices, where a protocol says which; else a fifth is held out by ``split_seed``.

    Raises:
        ModelError, TrainingError: as ``train``.
    """
    training, held_out = parts or split(data, HELD_OUT, seed if split_seed is None else split_seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = architecture(arch).build(len(data.classes), data.images.shape[-1])
        spec = ModelSpec(
            name=name or arch,
            arch=arch,
            classes=data.classes,
            input_size=data.images.shape[-1],
            embedding_dims=embedding_dims(network),
        )
        model = Deployable(network, spec)
    images, labels = torch.from_numpy(data.images[training])[:, None], torch.from_numpy(data.labels[training])
    fit(network, model.normalise, images, labels, recipe, seed, on_epoch=on_epoch, rescue=rescue)
    model.eval()
    with one_thread():
        fit_projection(model, images)
        disturbed = _disturbed(images, recipe, seed)
        temperature = fit_temperature(logits_of(model, disturbed), data.labels[training])
        spec = spec.model_copy(update={"temperature": temperature})
        probabilities = softmax(logits_of(model, data.images[held_out]), temperature)
    return Trained(model, spec, evaluate(data.labels[held_out], probabilities, data.classes), training, held_out)


@torch.no_grad()
def logits_of(model: Deployable, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Logits (N, C) of uint8 images (N, S, S)."""
    batches = np.array_split(images[:, None], math.ceil(len(images) / 256))
    return np.concatenate([model(torch.from_numpy(batch))[0].numpy() for batch in batches])


def _disturbed(images: torch.Tensor, recipe: Recipe, seed: int) -> npt.NDArray[np.uint8]:
    """The training images as they look in training: the network is too sure of the clean ones to be calibrated on."""
    rng = torch.Generator().manual_seed(seed + 1)
    parts = [recipe.augmentation(batch.float() / 255, rng) for batch in torch.split(images, 256)]
    return (255 * torch.cat(parts)).round().to(torch.uint8)[:, 0].numpy()


def _write(out_dir: Path, trained: Trained, data: Dataset, record: dict[str, Any]) -> tuple[Path, Path, Path, Path]:
    """All files into a folder beside the final one, then moved: what is in ``out_dir`` is never half a model."""
    name = trained.spec.name
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".training-", dir=out_dir) as temporary:
        draft = Path(temporary)
        record["parity"] = export_onnx(
            trained.model, trained.spec, draft / f"{name}.onnx", data.images[trained.held_out][:, None]
        )
        save_torch(trained.model, trained.spec, draft / f"{name}.safetensors")
        (draft / "metrics.json").write_text(json.dumps(record, indent=2) + "\n")
        (draft / f"{name}.md").write_text(card(record))
        names = [f"{name}.safetensors", "metrics.json", f"{name}.md", f"{name}.onnx"]
        for file in names:  # the ONNX file last: where it is, the others are
            shutil.move(draft / file, out_dir / file)
    return out_dir / names[3], out_dir / names[0], out_dir / names[1], out_dir / names[2]


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {
        package: version(package) for package in ("steelflow", "torch", "numpy", "onnx", "onnxruntime")
    }
