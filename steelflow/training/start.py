"""Fine-tuning: a network starts from the weights of a trained model. Its head may have more classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from steelflow.errors import ModelError
from steelflow.models.deployable import Deployable
from steelflow.training.distil import TeacherModel


@torch.no_grad()
def start_from(model: Deployable, arch: str, classes: Sequence[str], trained: TeacherModel) -> None:
    """Copy the weights of ``trained`` to ``model``, an ``arch`` for ``classes``.

    The rows of the last layer are matched by class name. Rows of classes that ``trained`` does not know keep their
    initial weights.

    Raises:
        ModelError: ``trained`` has another architecture or other widths.
    """
    if trained.spec.arch != arch:
        raise ModelError(
            f"{trained.spec.name} is a {trained.spec.arch} and cannot be fine-tuned to a {arch}; train from scratch"
        )
    last = _last_layer(model.network.head)
    own, other = model.network.state_dict(), trained.model.network.state_dict()
    places = [(i, trained.spec.classes.index(c)) for i, c in enumerate(classes) if c in trained.spec.classes]
    for name, tensor in own.items():
        found = other.get(name)
        if name in last and found is not None and found.shape[1:] == tensor.shape[1:]:
            for to, place in places:
                tensor[to] = found[place]
        elif found is not None and found.shape == tensor.shape:
            tensor.copy_(found)
        else:
            raise ModelError(f"{trained.spec.name}: its {name} does not fit {arch}; train from scratch")


def _last_layer(head: nn.Module) -> dict[str, Tensor]:
    """The parameters of the layer that computes the logits, by their names in the network."""
    layers = [(name, layer) for name, layer in head.named_modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
    name, layer = layers[-1]
    prefix = ".".join(part for part in ("head", name) if part)
    return {f"{prefix}.{parameter}": tensor for parameter, tensor in layer.named_parameters(recurse=False)}
