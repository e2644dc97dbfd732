"""The schedule of a dense training: steps, batch, learning rates."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, slots=True)
class Schedule:
    """AdamW with a warm-up and a cosine; the weights kept are a moving average over the last tenth of the steps."""

    steps: int = 1500
    batch: int = 16
    rate: float = 2e-3
    backbone_rate: float = 3e-4  # of pretrained layers
    frozen_blocks: int = 4  # first blocks of a pretrained backbone that are not trained
    decay: float = 0.02
    warmup: float = 0.05
    averaging: float = 0.05  # length of the moving average, as a share of the steps

    def factor(self, step: int) -> float:
        """Of the learning rates, at a step from 0."""
        begin = max(1.0, self.warmup * self.steps)
        if step < begin:
            return (step + 1) / begin
        return 0.5 * (1 + math.cos(math.pi * (step - begin) / max(1.0, self.steps - begin))) + 1e-3


def groups(network: nn.Module, schedule: Schedule) -> list[dict[str, object]]:
    """Parameters by learning rate and decay. Norms and biases do not decay; frozen blocks are left out."""
    backbone = getattr(network, "backbone", None)
    frozen = {id(p) for block in list(backbone or [])[: schedule.frozen_blocks] for p in block.parameters()}
    pretrained = {id(p) for p in backbone.parameters()} if backbone is not None else set()
    found: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        parameter.requires_grad_(id(parameter) not in frozen)
        if id(parameter) not in frozen:
            found.setdefault((id(parameter) in pretrained, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "initial": schedule.backbone_rate if early else schedule.rate,
            "lr": 0.0,
            "weight_decay": schedule.decay if heavy else 0.0,
        }
        for (early, heavy), parameters in found.items()
    ]
