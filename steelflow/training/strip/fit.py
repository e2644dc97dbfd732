"""The loop that trains a dense network on views."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from steelflow.errors import TrainingError
from steelflow.models.dense import DenseNetwork
from steelflow.training.average import Average
from steelflow.training.precision import Precision, casting
from steelflow.training.strip.loss import DenseLoss
from steelflow.training.strip.schedule import Schedule, groups


class Batch(NamedTuple):
    """Views uint8 (N, 1, S, S), classes of their cells (N, h, w), of the views (N,), their numbers (N,) by which their
    errors are noted, and a teacher's cells or None."""

    views: Tensor
    cells: Tensor
    labels: Tensor
    numbers: Tensor
    taught: Tensor | None = None


class Batches(Protocol):
    """Where the views of a training come from."""

    def batch(self, count: int) -> Batch:
        """The next ``count`` views."""

    def note(self, numbers: Sequence[int], errors: Sequence[float]) -> None:
        """How wrong the model was on views of the last batch; they come more often if it was."""


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
    on_step: Callable[[StripProgress], None] | None = None,
) -> None:
    """Train ``network``, which afterwards is in evaluation mode with the moving average of its weights.

    The norms of a pretrained backbone keep their statistics.

    Args:
        prepare: converts pixels 0…255 to the network's input.
        batches: gives the views of each step.

    Raises:
        TrainingError: the loss is no longer finite.
    """
    began, device = time.perf_counter(), next(network.parameters()).device
    optimizer = torch.optim.AdamW(groups(network, schedule))
    average = Average(network, schedule.averaging * schedule.steps)
    network.train().to(memory_format=torch.channels_last)
    if (backbone := getattr(network, "backbone", None)) is not None:
        _keep_norms(backbone)
    lately = math.nan
    for step in range(schedule.steps):
        some = batches.batch(schedule.batch)
        for group in optimizer.param_groups:
            group["lr"] = group["initial"] * schedule.factor(step)
        x = prepare(some.views.to(device)).contiguous(memory_format=torch.channels_last)
        with casting(device, precision):
            cells = network.cells(x)
        taught = None if some.taught is None else some.taught.to(device)
        value = loss(cells.float(), some.cells.to(device), some.labels.to(device), taught)
        if not math.isfinite(now := value.item()):
            raise TrainingError(f"step {step + 1}: the loss is no longer finite; train with a lower learning rate")
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        average.update()
        _note(batches, loss, cells.detach().float(), some)
        lately = now if math.isnan(lately) else 0.98 * lately + 0.02 * now
        if on_step is not None:
            on_step(StripProgress(step + 1, schedule.steps, lately, time.perf_counter() - began))
    network.load_state_dict(average.mean)
    network.eval().to(memory_format=torch.contiguous_format)
    for parameter in network.parameters():
        parameter.requires_grad_(True)


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
