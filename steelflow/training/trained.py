"""Train in memory: split, train, calibrate, and evaluate on the held-out images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from steelflow.models import architecture
from steelflow.models.deployable import Deployable
from steelflow.models.novelty import Novelty
from steelflow.models.spec import ModelSpec
from steelflow.models.weights_file import load_weights
from steelflow.training.data import HELD_OUT, Dataset, Indices, split
from steelflow.training.export import TOGETHER, embedding_dims, fit_projection
from steelflow.training.loop import History, fit, one_thread
from steelflow.training.method import Callbacks, Method, best_device
from steelflow.training.metrics import Evaluation, evaluate, fit_temperature, softmax
from steelflow.training.novelty import fit_novelty
from steelflow.training.recipe import Recipe
from steelflow.training.start import start_from
from steelflow.training.transfer import fit_in_phases
from steelflow.training.unlabelled import NO_LABEL

_SAMPLE = 64
VALIDATION = 0.1  # of the training part, if the recipe has patience


@dataclass(frozen=True, slots=True)
class Trained:
    """A model in memory, with its figures on the held-out part."""

    model: Deployable
    spec: ModelSpec
    evaluation: Evaluation
    training: Indices  # all indices are into the data
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
    parts: tuple[Indices, Indices] | None = None,
    validation: Indices | None = None,
    method: Method = Method(),  # noqa: B008  immutable
    callbacks: Callbacks = Callbacks(),  # noqa: B008  immutable
) -> Trained:
    """Split, train, calibrate, project and evaluate. Only the evaluation uses the held-out part.

    Args:
        name: of the model; ``arch`` when not given.
        parts: training and held-out indices of a protocol; when not given, ``seed`` decides the held-out fifth.
        validation: validation indices of a protocol. When not given and the recipe has patience, a tenth of the
            training part, chosen by the same rule as the held-out part.

    Raises:
        ModelError: there are no ImageNet weights for this architecture, they cannot be downloaded, or ``method.start``
            does not fit.
        TrainingError: see ``fit``.
    """
    training, held_out = parts or split(data, HELD_OUT, seed)
    if recipe.patience and validation is None:
        training, validation = split(data, VALIDATION, seed, among=training)
    model, spec = _fresh(data, arch, name or arch, seed, method, training)
    images, labels, device = *_tensors(data, training), next(model.parameters()).device
    shown = (images, labels) if method.unlabelled is None else _with_unlabelled(images, labels, method.unlabelled)
    history = (fit if method.phases is None else partial(fit_in_phases, phases=method.phases))(
        model.network,
        model.normalise,
        *shown,
        recipe,
        seed,
        validation=None if validation is None else _tensors(data, validation),
        teacher=method.teacher.to(device) if isinstance(method.teacher, nn.Module) else method.teacher,
        precision=method.precision,
        checkpoint=callbacks.checkpoint,
        on_epoch=callbacks.on_epoch,
        rescue=callbacks.rescue,
    )
    model.eval()
    with one_thread():
        fit_projection(model, images.to(device))
        temperature = fit_temperature(logits_of(model, _disturbed(images, recipe, seed)), data.labels[training])
        probabilities = softmax(logits_of(model, data.images[held_out]), temperature)
        novelty = fit_novelty(*outputs_of(model, data.images[training])[::-1], data.labels[training], seed)
    return Trained(
        model=model.cpu(),
        spec=spec.model_copy(update={"temperature": temperature}),
        evaluation=evaluate(data.labels[held_out], probabilities, data.classes),
        training=training,
        held_out=held_out,
        validation=np.array([], dtype=np.int64) if validation is None else validation,
        history=history,
        novelty=novelty,
    )


def _fresh(
    data: Dataset, arch: str, name: str, seed: int, method: Method, training: Indices
) -> tuple[Deployable, ModelSpec]:
    """The untrained model on its device, and its spec without calibration."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = architecture(arch).build(len(data.classes), data.images.shape[-1])
        spec = ModelSpec(
            name=name,
            arch=arch,
            classes=data.classes,
            input_size=data.images.shape[-1],
            embedding_dims=embedding_dims(network),
        )
        model = Deployable(network, spec)
        if method.pretrained:
            _load_pretrained(model, arch, method.pretrained, data.images[training])
        if method.start is not None:
            start_from(model, arch, data.classes, method.start)
        return model.to(method.device or best_device()), spec


def logits_of(model: Deployable, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Logits (N, C) of uint8 images (N, S, S)."""
    return outputs_of(model, images)[0]


@torch.no_grad()
def outputs_of(
    model: Deployable, images: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Logits (N, C) and embedding (N, E) of uint8 images (N, S, S)."""
    device = next(model.parameters()).device
    batches = np.array_split(images[:, None], math.ceil(len(images) / TOGETHER))
    found = [[part.cpu().numpy() for part in model(torch.from_numpy(batch).to(device))[:2]] for batch in batches]
    logits, embedding = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return logits, embedding


def _load_pretrained(model: Deployable, arch: str, pretrained: bool | Path, images: npt.NDArray[np.uint8]) -> None:
    """``images`` (N, S, S) are the training images; ``load_weights`` gets an evenly spaced sample of them."""
    if isinstance(pretrained, Path):
        few = torch.from_numpy(images[:: max(1, len(images) // _SAMPLE)])[:, None]
        with one_thread():
            load_weights(model.network, arch, pretrained, model.normalise(few))
        return
    from steelflow.models.pretrained import load_imagenet  # torchvision takes a second to load

    load_imagenet(model.network, arch)


def _tensors(data: Dataset, part: Indices) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(data.images[part])[:, None], torch.from_numpy(data.labels[part])


def _with_unlabelled(images: Tensor, labels: Tensor, others: npt.NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    none = torch.full((len(others),), NO_LABEL)
    return torch.cat([images, torch.from_numpy(others)[:, None]]), torch.cat([labels, none])


def _disturbed(images: torch.Tensor, recipe: Recipe, seed: int) -> npt.NDArray[np.uint8]:
    """Augmented training images for calibration: the network is overconfident on the clean images."""
    rng = torch.Generator().manual_seed(seed + 1)
    parts = [recipe.augmentation(batch.float() / 255, rng) for batch in torch.split(images, 256)]
    return (255 * torch.cat(parts)).round().to(torch.uint8)[:, 0].numpy()
