"""The state of a dense training: everything that changes, and so the content of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from steelflow.models.dense import DenseNetwork
from steelflow.training.average import Average
from steelflow.training.precision import Precision
from steelflow.training.state import moments_of, restore_moments, set_torch_generator, torch_generator
from steelflow.training.strip.batches import Batches
from steelflow.training.strip.schedule import Schedule, groups


class StripState:
    """Network, average, optimizer, the batches' generator and the errors that they have noted."""

    def __init__(self, network: DenseNetwork, schedule: Schedule, batches: Batches, precision: Precision) -> None:
        self.network, self.schedule, self.batches, self.precision = network, schedule, batches, precision
        self.device = next(network.parameters()).device
        self.optimizer = torch.optim.AdamW(groups(network, schedule))
        self.average = Average(network, schedule.averaging * schedule.steps)
        network.to(memory_format=torch.channels_last)
        self.loss: float | None = None  # the mean of late
        self.seconds = 0.0

    @property
    def step(self) -> int:
        """Steps that are done."""
        return self.average.updates

    @property
    def finished(self) -> bool:
        return self.step >= self.schedule.steps

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, on the CPU."""
        found = {"torch_generator": torch_generator(self.device), "errors": torch.from_numpy(self.batches.mined.errors)}
        for part, named in (("network", self.network.state_dict()), ("average", self.average.mean)):
            found |= {f"{part}.{name}": tensor for name, tensor in named.items()}
        found |= moments_of(self.optimizer)
        return {name: tensor.detach().cpu().contiguous() for name, tensor in found.items()}

    def facts(self) -> dict[str, Any]:
        """All values that are not tensors, for JSON."""
        return {
            "step": self.step,
            "precision": self.precision,
            "loss": self.loss,
            "seconds": self.seconds,
            "generator": self.batches.rng.bit_generator.state,
        }

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Restore the state from ``tensors`` and ``facts``, bit by bit and with the same memory layout.

        Raises:
            KeyError, RuntimeError: the state belongs to another network.
        """
        for part, named in (("network", self.network.state_dict()), ("average", self.average.mean)):
            for name, tensor in named.items():
                tensor.copy_(tensors[f"{part}.{name}"])
        restore_moments(self.optimizer, tensors)
        self.batches.mined.errors[:] = tensors["errors"].numpy()
        self.batches.rng.bit_generator.state = facts["generator"]
        self.average.updates, self.precision = facts["step"], facts["precision"]
        self.loss, self.seconds = facts["loss"], facts["seconds"]
        set_torch_generator(self.device, tensors["torch_generator"])
