"""What a network costs: parameters, and operations for one picture."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch.utils.flop_counter import FlopCounterMode

from steelflow.models.network import Network


def parameters(network: Network) -> int:
    """The numbers that training sets. Keras counts the running statistics of batch norms as well; here they are not."""
    return sum(p.numel() for p in network.parameters())


def flops(network: Network, input_size: int) -> int:
    """Floating-point operations for one picture of ``input_size``², two for each multiply-accumulate.

    Convolutions and matrix products are counted; what pools, normalises or works on single elements is not. Only
    shapes are computed, so it is fast for any network.
    """
    shapes = deepcopy(network).to("meta").eval()
    channels = next(p for p in shapes.parameters() if p.ndim == 4).shape[1]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        shapes(torch.empty(1, channels, input_size, input_size, device="meta"))
    total: int = counter.get_total_flops()
    return total
