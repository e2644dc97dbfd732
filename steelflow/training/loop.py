"""The training loop.

It uses training images only, so nothing is chosen on the held-out images. On the CPU it runs on one thread: these
networks are small, and more threads would mostly wait for each other. On the CPU, equal seeds give identical weights;
on a GPU, similar weights.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from steelflow.errors import ConfigError, TrainingError
from steelflow.training.checkpoint import Checkpoint
from steelflow.training.loss import Loss, Teacher, class_weights
from steelflow.training.memory import enough_memory
from steelflow.training.mixing import mix
from steelflow.training.optimizer import learning_rate
from steelflow.training.precision import Precision, Wanted, casting, choose_precision
from steelflow.training.recipe import Recipe
from steelflow.training.state import Progress, TrainingState

__all__ = ["History", "Progress", "Recipe", "fit", "one_thread"]

Prepare = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class History:
    """The course of a training."""

    curves: tuple[Progress, ...]
    kept: int  # epoch of the final weights
    resumed_after: int = 0  # epochs done by an earlier, interrupted run
    precision: Precision = "fp32"  # of the training steps

    @property
    def seconds_before(self) -> float:
        """Seconds that the interrupted run took for ``resumed_after`` epochs."""
        return self.curves[self.resumed_after - 1].seconds if self.resumed_after else 0.0


def fit(
    network: nn.Module,
    prepare: Prepare,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    seed: int,
    *,
    validation: tuple[Tensor, Tensor] | None = None,
    teacher: Teacher | None = None,
    frozen: Sequence[nn.Module] = (),
    precision: Wanted = "fp32",
    checkpoint: Checkpoint | None = None,
    on_epoch: Callable[[Progress], None] | None = None,
    rescue: Path | None = None,
) -> History:
    """Train ``network``, on its device, on uint8 ``images`` (N, 1, S, S) and int64 ``labels`` (N,), −1 for none.

    Afterwards the network is in evaluation mode and holds the moving average of its weights, or the last weights if
    the recipe has no average. If the recipe has patience, they are from the epoch with the least validation loss.

    Args:
        prepare: converts pixels 0…255 to the network's input.
        validation: images and labels, evaluated after each epoch; needed for patience.
        teacher: see ``loss.Loss``; it gets the same pixels as the network, before ``prepare``.
        frozen: modules that are not trained: no gradient, and their batch norms stay in evaluation mode.
        precision: of the steps. ``auto`` measures once, when the training begins; a resumed training keeps the choice.
        checkpoint: the file to save the state to and resume from.
        rescue: file for the last good weights if training fails.

    Raises:
        TrainingError: the loss is no longer finite (names ``rescue``), memory is short, or the checkpoint is unusable.
        ConfigError: patience without a validation part.
    """
    if recipe.patience and validation is None:
        raise ConfigError(f"patience is {recipe.patience} but there is no validation part; give one, or patience 0")
    began = time.perf_counter()
    with one_thread(), enough_memory(recipe.batch_size), _own_randomness(network, seed), _without_gradient(frozen):
        network.train()
        for module in frozen:
            module.eval()
        state = TrainingState(network, recipe, seed, _batches(images, recipe))
        images, labels = images.to(state.device), labels.to(state.device)
        loss_of = Loss(recipe, class_weights(labels) if recipe.class_weighting else None, teacher)
        if checkpoint is not None and checkpoint.restore(state):
            began -= state.curves[-1].seconds
        else:
            state.precision = choose_precision(precision, network, prepare, images, labels)
        resumed_after = len(state.curves)
        while not state.finished:
            loss, rate = _epoch(state, prepare, loss_of, images, labels, rescue)
            judged = _judge(state, prepare, loss_of, *validation) if validation else (None, None)
            state.add(Progress(len(state.curves) + 1, recipe.epochs, loss, time.perf_counter() - began, rate, *judged))
            if checkpoint is not None:
                checkpoint.save(state)
            if on_epoch is not None:
                on_epoch(state.curves[-1])
    network.load_state_dict(_final_weights(state, rescue))
    network.eval().to(memory_format=torch.contiguous_format)
    return History(tuple(state.curves), state.kept_epoch, resumed_after, state.precision)


def _batches(images: Tensor, recipe: Recipe) -> int:
    return math.ceil(len(images) / recipe.batch_size)


def _epoch(
    state: TrainingState, prepare: Prepare, loss_of: Loss, images: Tensor, labels: Tensor, rescue: Path | None
) -> tuple[float, float]:
    """One pass over the images. Returns the mean loss and the last learning rate."""
    recipe, batches, total, rate = state.recipe, _batches(images, state.recipe), 0.0, 0.0
    order = torch.randperm(len(images), generator=state.rng, device=state.device)
    for chosen in order.tensor_split(batches):
        pixels = 255 * recipe.augmentation(images[chosen].float() / 255, state.rng)
        pixels, mixed = mix(pixels, recipe.mixup, recipe.cutmix, state.rng)
        with casting(state.device, state.precision):
            logits = state.network(prepare(pixels).contiguous(memory_format=torch.channels_last))
        loss = loss_of(logits.float(), labels[chosen], pixels, mixed)
        if not math.isfinite(value := loss.item()):
            raise TrainingError(_rescue(state, len(state.curves) + 1, rescue))
        rate = learning_rate(recipe, state.steps, batches)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        state.average.update()  # before the step: these weights gave a finite loss, the next weights may not
        state.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        total += value * len(chosen)
    return total / len(images), rate


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread; restore the setting afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _own_randomness(network: nn.Module, seed: int) -> Iterator[None]:
    """Seed torch's global generator, which dropout uses, with ``seed``; restore its state afterwards."""
    device = next(network.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def _without_gradient(modules: Sequence[nn.Module]) -> Iterator[None]:
    held = [p for module in modules for p in module.parameters() if p.requires_grad]
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)


@torch.no_grad()
def _judge(
    state: TrainingState, prepare: Prepare, loss_of: Loss, images: Tensor, labels: Tensor
) -> tuple[float | None, float]:
    """Mean loss (None if not finite) and accuracy of the current weights, on images without augmentation."""
    network = copy.deepcopy(state.network).eval()
    network.load_state_dict(state.weights)
    loss = right = 0.0
    for some, wanted in zip(torch.split(images, 256), torch.split(labels, 256), strict=True):
        wanted = wanted.to(state.device)
        logits = network(prepare(some.to(state.device).float()).contiguous(memory_format=torch.channels_last))
        loss += len(some) * loss_of.cross_entropy(logits, wanted).item()
        right += (logits.argmax(1) == wanted).sum().item()
    return loss / len(images) if math.isfinite(loss) else None, right / len(images)


def _final_weights(state: TrainingState, rescue: Path | None) -> dict[str, Tensor]:
    weights = state.best or state.weights
    if not all(bool(tensor.isfinite().all()) for tensor in weights.values()):
        raise TrainingError(_rescue(state, len(state.curves), rescue))
    return weights


def _rescue(state: TrainingState, epoch: int, file: Path | None) -> str:
    """Save the last good weights when the loss is no longer finite. Returns the error message."""
    lost = f"epoch {epoch}: the loss is no longer finite; lower the learning rate or check the images"
    if file is None or state.steps == 0:
        return f"{lost} (no good weights to keep)"
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in state.average.mean.items()}, file)
    return f"{lost}; last good weights: {file}"
