"""Trainings that are interrupted at an epoch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from steelflow.training.state import Progress


class Killed(BaseException):
    pass


def kill_at(epoch: int) -> Callable[[Progress], None]:
    def on_epoch(progress: Progress) -> None:
        if progress.epoch == epoch:
            raise Killed

    return on_epoch


def network() -> nn.Module:
    """With all that has a state of its own: batch norms, dropout, kernels in another memory format."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 4, 2),
        nn.Dropout(),
        nn.Flatten(),
        nn.Linear(4, 2),
    )
