"""The moving average of the weights. It is more accurate than the last weights and costs nothing at inference."""

from __future__ import annotations

import torch
from torch import nn


class Average:
    """Exponential moving average of the weights and of the batch norm statistics; a plain mean in the first steps.

    ``length`` is the number of steps in the average. With 0 it holds the last weights.
    """

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
