"""SSDC-MiniNet: A Tiny CNN Steel Surface Defect Classifier. A. Pradipta, D. J. Richter, K. Kim.

The paper gives the components and the budget: depthwise-separable (DS) convolutions, squeeze-and-excitation (SE), a
last DS layer with an 11×11 kernel on a map that is still wide, global pooling; 23,588 parameters, 0.105 GFLOPs at
200×200. It shows the layers in a figure only. The layer list below is ours, chosen within that budget for accuracy on
unseen images and for speed on CPUs: an early stride, channels in multiples of 16, and the SE of the last layer after
pooling. There it is exact and costs nothing, because the mean of s·x over a map is s times the mean of x.

The input has one grey channel. For three equal channels, sum the stem's weights over them: the result is the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steelflow.models.blocks import conv, separable
from steelflow.models.network import Network


def start_near_identity(layer: nn.Sequential) -> nn.Sequential:
    """Initialise the depthwise kernel with weak noise and a 1 in the middle: from noise alone a large kernel learns
    slowly."""
    kernel = next(m for m in layer.modules() if isinstance(m, nn.Conv2d))
    middle = kernel.weight.shape[-1] // 2
    with torch.no_grad():
        kernel.weight.mul_(0.3)
        kernel.weight[:, :, middle, middle] += 1
    return layer


class Excitation(nn.Module):
    """Gate per channel, σ(W₂ relu(W₁ z)), from the pooled map z (Hu et al. 2018, eq. 3): (N, C, 1, 1) to the same."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Conv2d(channels, channels // reduction, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // reduction, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, z: Tensor) -> Tensor:
        gate: Tensor = self.gate(z)
        return gate


class SSDCMiniNet(Network):
    """22,190 parameters with six classes; 0.055 GFLOPs (2·MAC) at 200×200, 0.014 at 100×100."""

    feature_dims = 64

    def __init__(self, classes: int, input_size: int = 100, channels: int = 1) -> None:  # noqa: ARG002  any size does
        super().__init__()
        self.stem = nn.Sequential(conv(channels, 16, 5, 2), conv(16, 32, 3, 2))
        self.stem_gate = Excitation(32)
        self.body = nn.Sequential(
            separable(32, 48, 3), separable(48, 48, 3, 2), start_near_identity(separable(48, self.feature_dims, 11))
        )
        self.body_gate = Excitation(self.feature_dims)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(self.feature_dims, classes)

    def features(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.body(x * self.stem_gate(self.pool(x)))
        z = self.pool(x)
        return torch.flatten(z * self.body_gate(z), 1)
