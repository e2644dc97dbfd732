"""The loop that trains a dense network on views."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from steelflow.errors import TrainingError
from steelflow.models.dense import DenseNetwork
from steelflow.training.checkpoint import Checkpoint
from steelflow.training.memory import enough_memory
from steelflow.training.precision import Precision, casting
from steelflow.training.strip.batches import Batch, Batches
from steelflow.training.strip.loss import DenseLoss
from steelflow.training.strip.schedule import Schedule
from steelflow.training.strip.state import StripState


@dataclass(frozen=True, slots=True)
class StripProgress:
    """After a step: its number from 1, the number of all, the mean loss of late, the seconds since the begin."""

    step: int
    steps: int
    loss: float
    seconds: float


def fit_dense(
    network: DenseNetwork,
    prepare: Callable[[Tensor], Tensor],
    batches: Batches,
    loss: DenseLoss,
    schedule: Schedule,
    *,
    precision: Precision = "fp32",
    checkpoint: Checkpoint | None = None,
    on_step: Callable[[StripProgress], None] | None = None,
) -> None:
    """Train ``network``, which afterwards is in evaluation mode with the moving average of its weights.

    The norms of a pretrained backbone keep their statistics.

    Args:
        prepare: converts pixels 0…255 to the network's input.
        batches: gives the views of each step.
        checkpoint: the file to save the state to and resume from.

    Raises:
        TrainingError: the loss is no longer finite, a batch does not fit into the memory, or the checkpoint cannot be
            used.
    """
    began = time.perf_counter()
    state = StripState(network, schedule, batches, precision)
    network.train()
    if (backbone := getattr(network, "backbone", None)) is not None:
        _keep_norms(backbone)
    if checkpoint is not None and checkpoint.restore(state):
        began -= state.seconds
    while not state.finished:
        with enough_memory(schedule.batch):
            now = _step(state, prepare, loss)
        state.loss = now if state.loss is None else 0.98 * state.loss + 0.02 * now
        state.seconds = time.perf_counter() - began
        if checkpoint is not None:
            checkpoint.save(state)
        if on_step is not None:
            on_step(StripProgress(state.step, schedule.steps, state.loss, state.seconds))
    network.load_state_dict(state.average.mean)
    network.eval().to(memory_format=torch.contiguous_format)
    for parameter in network.parameters():
        parameter.requires_grad_(True)


def _step(state: StripState, prepare: Callable[[Tensor], Tensor], loss: DenseLoss) -> float:
    """Returns the loss."""
    some, network, device = state.batches.batch(state.schedule.batch), state.network, state.device
    for group in state.optimizer.param_groups:
        group["lr"] = group["initial"] * state.schedule.factor(state.step)
    x = prepare(some.views.to(device)).contiguous(memory_format=torch.channels_last)
    with casting(device, state.precision):
        cells = network.cells(x)
    taught = None if some.taught is None else some.taught.to(device)
    value = loss(cells.float(), some.cells.to(device), some.labels.to(device), taught)
    if not math.isfinite(now := value.item()):
        raise TrainingError(f"step {state.step + 1}: the loss is no longer finite; train with a lower learning rate")
    state.optimizer.zero_grad()
    value.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    state.optimizer.step()
    state.average.update()
    _note(state.batches, loss, cells.detach().float(), some)
    return now


@torch.no_grad()
def _note(batches: Batches, loss: DenseLoss, cells: Tensor, some: Batch) -> None:
    known = some.labels >= 0
    if bool(known.any()):
        wrong = loss.errors(cells[known.to(cells.device)], some.labels[known].to(cells.device))
        batches.note(some.numbers[known].tolist(), wrong.tolist())


def _keep_norms(backbone: nn.Module) -> None:
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
