"""A trained model in memory: split, trained, calibrated, and judged on what it has not seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from steelflow.errors import ConfigError
from steelflow.models import architecture
from steelflow.models.deployable import Deployable
from steelflow.models.novelty import Novelty
from steelflow.models.spec import ModelSpec
from steelflow.models.weights_file import load_weights
from steelflow.training.checkpoint import Checkpoint
from steelflow.training.data import Dataset, split
from steelflow.training.distil import TeacherModel
from steelflow.training.export import embedding_dims, fit_projection
from steelflow.training.loop import History, fit, one_thread
from steelflow.training.loss import Teacher
from steelflow.training.metrics import Evaluation, evaluate, fit_temperature, softmax
from steelflow.training.novelty import fit_novelty
from steelflow.training.precision import Wanted
from steelflow.training.recipe import Recipe
from steelflow.training.start import start_from
from steelflow.training.state import Progress
from steelflow.training.transfer import Phases, fit_in_phases

HELD_OUT = 0.2
VALIDATION = 0.1  # of the rest, where the recipe has patience
_SAMPLE = 64

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Trained:
    """A model in memory, with its figures on the held-out part."""

    model: Deployable
    spec: ModelSpec
    evaluation: Evaluation
    training: Indices  # into the data, as the others
    held_out: Indices
    validation: Indices
    history: History
    novelty: Novelty


def train_in_memory(
    data: Dataset,
    arch: str,
    recipe: Recipe,
    seed: int,
    *,
    name: str | None = None,
    split_seed: int | None = None,
    parts: tuple[Indices, Indices] | None = None,
    validation: Indices | None = None,
    pretrained: bool | Path = False,
    start: TeacherModel | None = None,
    teacher: Teacher | None = None,
    phases: Phases | None = None,
    device: torch.device | None = None,
    precision: Wanted = "fp32",
    checkpoint: Checkpoint | None = None,
    on_epoch: Callable[[Progress], None] | None = None,
    rescue: Path | None = None,
) -> Trained:
    """Split, train, calibrate, project and evaluate; the held-out part is touched by nothing but the last.

    Args:
        parts: training and held-out indices, where a protocol says which; else a fifth is held out by ``split_seed``.
        validation: indices to judge each epoch by, where a protocol says which; else, where the recipe has patience, a
            tenth of the training part, by the rule of the held-out part.
        pretrained: start from ImageNet weights: torchvision's, or those of a file (see ``models.weights_file``).
        start: start from the weights of this model; see ``start.start_from``.
        teacher: see ``loss.Loss``; a module is moved to ``device``.
        phases: fine-tune in two phases, with their epochs and rates instead of the recipe's.
        device: where to train; ``best_device`` when not given. The model comes back on the CPU.
        precision: of the training steps; see ``precision.choose_precision``. All else is float32.

    Raises:
        ModelError: there are no ImageNet weights for this architecture, they cannot be fetched, or ``start`` does not
            fit.
        TrainingError: as ``fit``.
    """
    split_seed = seed if split_seed is None else split_seed
    training, held_out = parts or split(data, HELD_OUT, split_seed)
    if recipe.patience and validation is None:
        training, validation = split(data, VALIDATION, split_seed, among=training)
    device = device or best_device()
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
        if pretrained:
            _load_pretrained(model, arch, pretrained, data.images[training])
        if start is not None:
            start_from(model, arch, data.classes, start)
        model = model.to(device)
    images, labels = _tensors(data, training)
    history = (fit if phases is None else partial(fit_in_phases, phases=phases))(
        network,
        model.normalise,
        images,
        labels,
        recipe,
        seed,
        validation=None if validation is None else _tensors(data, validation),
        teacher=teacher.to(device) if isinstance(teacher, nn.Module) else teacher,
        precision=precision,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
        rescue=rescue,
    )
    model.eval()
    with one_thread():
        fit_projection(model, images.to(device))
        disturbed = _disturbed(images, recipe, seed)
        temperature = fit_temperature(logits_of(model, disturbed), data.labels[training])
        spec = spec.model_copy(update={"temperature": temperature})
        probabilities = softmax(logits_of(model, data.images[held_out]), temperature)
        logits, embedding = outputs_of(model, data.images[training])
        novelty = fit_novelty(embedding, logits, data.labels[training], seed)
    figures = evaluate(data.labels[held_out], probabilities, data.classes)
    none = np.array([], dtype=np.int64)
    validation = none if validation is None else validation
    return Trained(model.cpu(), spec, figures, training, held_out, validation, history, novelty)


def logits_of(model: Deployable, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Logits (N, C) of uint8 images (N, S, S)."""
    return outputs_of(model, images)[0]


@torch.no_grad()
def outputs_of(
    model: Deployable, images: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Logits (N, C) and embedding (N, E) of uint8 images (N, S, S)."""
    device = next(model.parameters()).device
    batches = np.array_split(images[:, None], math.ceil(len(images) / 256))
    found = [[part.cpu().numpy() for part in model(torch.from_numpy(batch).to(device))] for batch in batches]
    logits, embedding = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return logits, embedding


def best_device(name: str | None = None) -> torch.device:
    """The device of that name; the GPU where there is one and the CPU elsewhere, when it is not given.

    Raises:
        ConfigError: there is no such device here.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda") or (name == "cuda" and not torch.cuda.is_available()):
        raise ConfigError(f"no device {name!r} that torch can use here; give 'cpu', or leave it out")
    return torch.device(name)


def _load_pretrained(model: Deployable, arch: str, pretrained: bool | Path, images: npt.NDArray[np.uint8]) -> None:
    """``images`` (N, S, S) are those of the training; a few from all over them are the sample of ``load_weights``."""
    if isinstance(pretrained, Path):
        few = torch.from_numpy(images[:: max(1, len(images) // _SAMPLE)])[:, None]
        with one_thread():
            load_weights(model.network, arch, pretrained, model.normalise(few))
        return
    from steelflow.models.pretrained import load_imagenet  # torchvision takes a second to load

    load_imagenet(model.network, arch)


def _tensors(data: Dataset, part: Indices) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(data.images[part])[:, None], torch.from_numpy(data.labels[part])


def _disturbed(images: torch.Tensor, recipe: Recipe, seed: int) -> npt.NDArray[np.uint8]:
    """The training images as they look in training: the network is too sure of the clean ones to be calibrated on."""
    rng = torch.Generator().manual_seed(seed + 1)
    parts = [recipe.augmentation(batch.float() / 255, rng) for batch in torch.split(images, 256)]
    return (255 * torch.cat(parts)).round().to(torch.uint8)[:, 0].numpy()
