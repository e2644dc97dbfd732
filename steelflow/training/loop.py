"""The training loop: AdamW, cosine with warm-up, label smoothing, and the moving average of the weights as the result.

It sees training images only, so nothing is chosen on the held-out ones. It runs on one thread: for networks this small
more threads wait for each other longer than they work, above all on a machine that does something else as well.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import save_file
from torch import Tensor, nn

from steelflow.errors import TrainingError
from steelflow.training.augment import Augmentation


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train; the defaults are for a few hundred images a class."""

    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 6e-3
    weight_decay: float = 0.05
    warmup: float = 0.1  # share of the steps
    label_smoothing: float = 0.05
    averaging: float = 0.03  # length of the moving average, as a share of the steps
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True, slots=True)
class Progress:
    epoch: int  # from 1
    epochs: int
    loss: float
    seconds: float


def fit(
    network: nn.Module,
    prepare: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    seed: int,
    *,
    on_epoch: Callable[[Progress], None] | None = None,
    rescue: Path | None = None,
) -> nn.Module:
    """Train ``network`` on uint8 ``images`` (N, 1, S, S) and int64 ``labels`` (N,); two or more images.

    Args:
        prepare: pixels 0…255 to what the network takes.
        rescue: where the last good weights go if training fails.

    Returns:
        ``network``, holding the moving average of its weights, in evaluation mode.

    Raises:
        TrainingError: the loss is no longer finite; names ``rescue``.
    """
    started = time.perf_counter()
    rng = torch.Generator().manual_seed(seed)
    batches = math.ceil(len(images) / recipe.batch_size)
    steps = recipe.epochs * batches
    average = _Average(network, steps * recipe.averaging)
    network.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(_groups(network, recipe.weight_decay), lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps, recipe.warmup))
    with one_thread():
        for epoch in range(1, recipe.epochs + 1):
            total = 0.0
            for chosen in torch.randperm(len(images), generator=rng).tensor_split(batches):
                x = prepare(255 * recipe.augmentation(images[chosen].float() / 255, rng))
                x = x.contiguous(memory_format=torch.channels_last)
                loss = F.cross_entropy(network(x), labels[chosen], label_smoothing=recipe.label_smoothing)
                if not math.isfinite(value := loss.item()):
                    raise TrainingError(_rescue(average, epoch, rescue))
                average.update()  # before the step: these weights have shown a finite loss, the next ones have not
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                total += value * len(chosen)
            if on_epoch is not None:
                on_epoch(Progress(epoch, recipe.epochs, total / len(images), time.perf_counter() - started))
    network.load_state_dict(average.mean)
    return network.eval().to(memory_format=torch.contiguous_format)


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread inside, as before outside."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Average:
    """Exponential moving average of the weights and of the batch norms' statistics; a plain mean at first."""

    def __init__(self, network: nn.Module, length: float) -> None:
        self.network = network
        self.keep = 1 - 1 / max(length, 1)
        self.updates = 0
        self.mean = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        keep = min(self.keep, 1 - 1 / self.updates)
        for name, tensor in self.network.state_dict().items():
            if tensor.is_floating_point():
                self.mean[name].lerp_(tensor, 1 - keep)
            else:
                self.mean[name].copy_(tensor)


def _rescue(average: _Average, epoch: int, file: Path | None) -> str:
    """Keep what was good before the loss broke, and say so."""
    lost = f"epoch {epoch}: the loss is no longer finite; lower the learning rate or look at the images"
    if file is None or average.updates == 0:
        return f"{lost} (no good weights to keep)"
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in average.mean.items()}, file)
    return f"{lost}; last good weights: {file}"


def _rate(step: int, steps: int, warmup: float) -> float:
    """Linear from near 0 to 1 over the share ``warmup``, then half a cosine to 0 (Loshchilov and Hutter 2017)."""
    rise = max(1, round(warmup * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Decay pulls at kernels and matrices only; a bias or the scale of a batch norm has no reason to be small."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
