"""The cost of a network: parameters, and operations for one image."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch.utils.flop_counter import FlopCounterMode

from steelflow.models.network import Network


def parameters(network: Network) -> int:
    """Number of trained parameters. Keras also counts the running statistics of batch norms; this function does not."""
    return sum(p.numel() for p in network.parameters())


def flops(network: Network, input_size: int) -> int:
    """Floating-point operations for one image of ``input_size``², two for each multiply-accumulate.

    Convolutions and matrix products are counted; pooling, normalisation and element-wise operations are not. Only
    shapes are computed, so it is fast for any network.
    """
    shapes = deepcopy(network).to("meta").eval()
    channels = next(p for p in shapes.parameters() if p.ndim == 4).shape[1]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        shapes(torch.empty(1, channels, input_size, input_size, device="meta"))
    total: int = counter.get_total_flops()
    return total
