"""ImageNet weights for the backbones that torchvision has weights for."""

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
"""Architecture to torchvision's name. V1 weights come from the plain recipe, like the Keras weights of the papers."""


def load_imagenet(network: Network, arch: str, timeout: float = 30.0) -> None:
    """Load ImageNet weights into the backbone of ``network``, which the catalogue built as ``arch``. The head stays.

    For a network with one channel, the first convolution gets the sum over the three channels, w = Σ_c w_c. On a grey
    image x the result equals that of three equal channels: Σ_c w_c ∗ x = w ∗ x. The normalisation of ImageNet (mean
    0.45, deviation 0.23, on average) and of ``ModelSpec`` (0.5, 0.25) differ little.

    torch caches the downloaded file (``TORCH_HOME``).

    Args:
        timeout: seconds to wait for an answer of the server.

    Raises:
        ModelError: there are no such weights, or they cannot be downloaded, or do not fit.
    """
    if arch not in WEIGHTS or not isinstance(network, BackboneNetwork):
        raise ModelError(
            f"{arch}: has no ImageNet weights; train it without pretrained weights, or take one that torchvision "
            f"has: {', '.join(WEIGHTS)} (ResNet-50 is V1, not V2)"
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
            f"{arch}: cannot load its ImageNet weights: {' '.join(str(exc).split())[:200]}; train it without "
            f"pretrained weights, or download {weights.url} on another machine and copy it to {cache}"
        ) from exc


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Sockets that are opened inside time out after ``seconds`` without an answer. torch.hub sets no time-out."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
