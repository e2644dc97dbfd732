"""ImageNet weights for the backbones of which torchvision has them."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError

import torch
from torchvision.models import get_weight

from steelflow.errors import ModelError
from steelflow.models.backbone import BackboneNetwork, stem_of
from steelflow.models.network import Network

WEIGHTS = {
    "mobilenet_v2_transfer": "MobileNet_V2_Weights.IMAGENET1K_V1",
    "resnet50": "ResNet50_Weights.IMAGENET1K_V1",
}
"""Architecture to torchvision's name. V1 are those of the plain recipe, as those of Keras that the papers used."""


def load_imagenet(network: Network, arch: str, timeout: float = 30.0) -> None:
    """Put ImageNet weights into the backbone of ``network``, which the catalogue built as ``arch``; the head stays.

    A network of one channel gets the sum over the three channels of the first convolution, w = Σ_c w_c, which answers
    to a grey picture x as the weights answer to three equal channels: Σ_c w_c ∗ x = w ∗ x. ImageNet's own
    normalisation (mean 0.45, deviation 0.23, on average) and that of ``ModelSpec`` (0.5, 0.25) differ little.

    torch keeps the downloaded file (``TORCH_HOME``), so the second time needs no network.

    Args:
        timeout: seconds to wait for an answer of the server.

    Raises:
        ModelError: there are no such weights, or they cannot be had, or do not fit.
    """
    if arch not in WEIGHTS or not isinstance(network, BackboneNetwork):
        raise ModelError(
            f"{arch}: no ImageNet weights for it; train it without pretrained weights, or take one of those that "
            f"torchvision has: {', '.join(WEIGHTS)} (of ResNet-50, V1, not V2)"
        )
    weights = get_weight(WEIGHTS[arch])
    try:
        with _patience(timeout), redirect_stdout(sys.stderr):
            state = weights.get_state_dict(progress=False, check_hash=True, map_location="cpu", weights_only=True)
        # torchvision's networks are a backbone, below "features." or by itself, and a classifier.
        state = {k.removeprefix("features."): v for k, v in state.items() if not k.startswith(("classifier.", "fc."))}
        if stem_of(network.backbone).in_channels == 1:
            first = next(iter(state))
            state[first] = state[first].sum(1, keepdim=True)
        network.backbone.load_state_dict(state)
    except (OSError, HTTPException, UnpicklingError, EOFError, RuntimeError) as exc:
        cache = Path(torch.hub.get_dir()) / "checkpoints"
        raise ModelError(
            f"{arch}: its ImageNet weights cannot be had: {' '.join(str(exc).split())[:200]}; train it without "
            f"pretrained weights, or fetch {weights.url} where there is internet and put it into {cache}"
        ) from exc


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Sockets opened inside give up after ``seconds`` without an answer; torch.hub sets no limit of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
