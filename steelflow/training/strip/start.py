"""Start a training with the weights of an earlier model, which may have had other classes."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from steelflow.errors import ModelError
from steelflow.models.deployable import load_torch
from steelflow.models.spec import ModelSpec


def begin_with(network: nn.Module, spec: ModelSpec, start: Path) -> None:
    """Give ``network`` the weights in ``start``. In the last layer, the classes that both models have keep theirs.

    Raises:
        ModelError: ``start`` cannot be read, or is of another architecture.
    """
    model, theirs = load_torch(start)
    if theirs.arch != spec.arch:
        raise ModelError(f"{start}: is of {theirs.arch}, not of {spec.arch}; start with a model of {spec.arch}")
    own, found = network.state_dict(), model.network.state_dict()
    network.load_state_dict({name: _kept(value, found[name], spec, theirs) for name, value in own.items()})


def _kept(own: Tensor, found: Tensor, spec: ModelSpec, theirs: ModelSpec) -> Tensor:
    if own.shape == found.shape and spec.classes == theirs.classes:
        return found
    by_class = own.shape[:1] == (len(spec.classes),) and found.shape[:1] == (len(theirs.classes),)
    if by_class and own.shape[1:] == found.shape[1:]:
        kept = own.clone()
        for place, name in enumerate(spec.classes):
            if name in theirs.classes:
                kept[place] = found[theirs.classes.index(name)]
        return kept
    return found if own.shape == found.shape else own
