"""SteelNet: our own network, accurate and fast on CPUs. Its layers were chosen by measurement (docs/models.md; the
candidates are in docs/results/steelnet-search.json).

It keeps the parts of SSDC-MiniNet that matter for accuracy: the large kernel near the end and the two gates. It differs
in:

- a strided 5×5 stem with few channels, without a dense convolution after it. The second stride is depthwise-separable,
  which saves half of the operations.
- one separable layer less: a map of 25×25 costs four times as much as one of 13×13.
- the last gate after pooling, where it is exact and costs nothing: the mean of s·x over a map is s times the mean of x.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steelflow.models.blocks import conv, separable
from steelflow.models.network import Network
from steelflow.models.ssdc_mininet import Excitation, start_near_identity


class SteelNet(Network):
    """15,342 parameters with six classes and the default widths; 6.4 MFLOPs (2·MAC) at 100×100.

    Args:
        widths: channels at a half of the image's side (after the stem), at a quarter, at an eighth, and at the end.
        kernel: side of the large depthwise kernel, odd.
    """

    def __init__(
        self,
        classes: int,
        input_size: int = 100,  # noqa: ARG002  any size does
        channels: int = 1,
        *,
        widths: tuple[int, int, int, int] = (16, 32, 48, 64),
        kernel: int = 11,
    ) -> None:
        super().__init__()
        half, quarter, eighth, self.feature_dims = widths
        self.stem = nn.Sequential(conv(channels, half, 5, 2), separable(half, quarter, 3, 2))
        self.stem_gate = Excitation(quarter)
        self.body = nn.Sequential(
            separable(quarter, eighth, 3, 2), start_near_identity(separable(eighth, self.feature_dims, kernel))
        )
        self.body_gate = Excitation(self.feature_dims)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(self.feature_dims, classes)

    def features(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.body(x * self.stem_gate(self.pool(x)))
        z = self.pool(x)
        return torch.flatten(z * self.body_gate(z), 1)
