"""The state of a training: everything that changes, and so the content of a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from steelflow.training.average import Average
from steelflow.training.optimizer import build_optimizer
from steelflow.training.precision import Precision
from steelflow.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Progress:
    """One epoch: one point of each learning curve."""

    epoch: int  # from 1
    epochs: int
    loss: float
    seconds: float  # of training so far, without the time between an interruption and the resume
    learning_rate: float  # of the last step
    validation_loss: float | None = None
    validation_accuracy: float | None = None


class TrainingState:
    """Network, average, optimizer, generators and curves; with a validation part, also the best weights."""

    def __init__(self, network: nn.Module, recipe: Recipe, seed: int, batches: int) -> None:
        self.recipe = recipe
        self.device = next(network.parameters()).device
        self.network = network
        self.average = Average(network, recipe.epochs * batches * recipe.averaging)
        network.to(memory_format=torch.channels_last)
        self.optimizer = build_optimizer(network, recipe)
        self.rng = torch.Generator(self.device).manual_seed(seed)
        self.curves: list[Progress] = []
        self.best: dict[str, Tensor] = {}
        self.precision: Precision = "fp32"

    @property
    def steps(self) -> int:
        return self.average.updates

    @property
    def weights(self) -> dict[str, Tensor]:
        """The current weights: the average, or the last weights if the recipe has no average."""
        return self.average.mean if self.recipe.averaging else self.network.state_dict()

    @property
    def kept_epoch(self) -> int:
        """The epoch of the final weights."""
        return self.best_epoch if self.best else len(self.curves)

    @property
    def best_epoch(self) -> int:
        """The first epoch with the least validation loss; 0 without validation."""
        losses = [(p.validation_loss, p.epoch) for p in self.curves if p.validation_loss is not None]
        return min(losses)[1] if losses else 0

    @property
    def finished(self) -> bool:
        patience, epochs = self.recipe.patience, len(self.curves)
        return epochs >= self.recipe.epochs or (patience > 0 and epochs - self.best_epoch >= patience)

    def add(self, epoch: Progress) -> None:
        self.curves.append(epoch)
        if self.recipe.patience and self.best_epoch == epoch.epoch:
            self.best = {name: tensor.detach().clone() for name, tensor in self.weights.items()}

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, on the CPU."""
        found = {"generator": self.rng.get_state(), "torch_generator": torch_generator(self.device)}
        parts = {"network": self.network.state_dict(), "average": self.average.mean, "best": self.best}
        for part, named in parts.items():
            found |= {f"{part}.{name}": tensor for name, tensor in named.items()}
        found |= moments_of(self.optimizer)
        return {name: tensor.detach().cpu().contiguous() for name, tensor in found.items()}

    def facts(self) -> dict[str, Any]:
        """All values that are not tensors, for JSON."""
        return {"steps": self.steps, "precision": self.precision, "curves": [asdict(epoch) for epoch in self.curves]}

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Restore the state from ``tensors`` and ``facts``, bit by bit and with the same memory layout.

        Raises:
            KeyError, RuntimeError: the state belongs to another network.
        """
        for part, named in (("network", self.network.state_dict()), ("average", self.average.mean)):
            for name, tensor in named.items():
                tensor.copy_(tensors[f"{part}.{name}"])
        self.best = {
            name.removeprefix("best."): tensor.to(self.device)
            for name, tensor in tensors.items()
            if name.startswith("best.")
        }
        restore_moments(self.optimizer, tensors)
        self.average.updates = facts["steps"]
        self.precision = facts["precision"]
        self.curves = [Progress(**epoch) for epoch in facts["curves"]]
        self.rng.set_state(tensors["generator"])
        set_torch_generator(self.device, tensors["torch_generator"])


def moments_of(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's tensors by name."""
    return {
        f"optimizer.{place}.{key}": value
        for place, values in optimizer.state_dict()["state"].items()
        for key, value in values.items()
        if value is not None
    }


def restore_moments(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give the optimizer what ``moments_of`` took from it."""
    whole = optimizer.state_dict()
    whole["state"] = dict(_moments(optimizer, tensors))
    optimizer.load_state_dict(whole)


def _moments(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """The optimizer's tensors by parameter index. All except the step count get the memory layout of the parameter."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for place, parameter in enumerate(parameters):
        prefix = f"optimizer.{place}."
        values = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        if values:
            yield (
                place,
                {
                    key: tensor if key == "step" else torch.empty_like(parameter).copy_(tensor)
                    for key, tensor in values.items()
                },
            )


def torch_generator(device: torch.device) -> Tensor:
    """The state of the generator that dropout uses."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def set_torch_generator(device: torch.device, state: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
