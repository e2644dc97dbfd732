"""EffNet: An Efficient Structure for Convolutional Neural Networks. I. Freeman, L. Roese-Koerner, A. Kummert, 2018.

A baseline of CASI-Net, which uses its block. The paper gives the block and the widths. The axis that each half of the
block shrinks follows CASI-Net's 1×2 convolution. Batch norm comes before the activation, so the export can fold it into
the convolution.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from steelflow.models.blocks import conv
from steelflow.models.network import Network

WIDTHS = (64, 128, 256)


def effnet_block(inputs: int, outputs: int, activation: Callable[[], nn.Module]) -> nn.Sequential:
    """A DS layer with its 3×3 kernel split: 1×1; 1×3 depthwise, max pooling halves the height; 3×1 depthwise; then
    1×2 with stride 2 across channels halves the width. (N, inputs, h, w) to (N, outputs, h // 2, w // 2)."""
    inner = outputs // 2
    return nn.Sequential(
        conv(inputs, inner, 1, activation=activation),
        conv(inner, inner, (1, 3), groups=inner, activation=activation),
        nn.MaxPool2d((2, 1)),
        conv(inner, inner, (3, 1), groups=inner, activation=activation),
        conv(inner, outputs, (1, 2), (1, 2), activation=activation),
    )


def effnet_blocks(channels: int, activation: Callable[[], nn.Module]) -> nn.Sequential:
    """The three blocks: (N, channels, S, S) to (N, 256, S // 8, S // 8)."""
    return nn.Sequential(*(effnet_block(i, o, activation) for i, o in zip((channels, *WIDTHS), WIDTHS, strict=False)))


class MapNetwork(Network):
    """A network whose head takes the flattened map of 256 channels. It therefore has one fixed input size."""

    feature_dims = WIDTHS[-1]

    def __init__(self, body: nn.Module, classes: int, input_size: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(self.feature_dims * (input_size // 8) ** 2, classes))
        self.pool = nn.AdaptiveAvgPool2d(1)

    def features(self, x: Tensor) -> Tensor:
        """The map, (N, 256, S // 8, S // 8)."""
        features: Tensor = self.body(x)
        return features

    def pooled(self, features: Tensor) -> Tensor:
        return torch.flatten(self.pool(features), 1)


class EffNet(MapNetwork):
    """2.21 M parameters with three channels and six classes at CASI-Net's 300×300, almost all of them in the head."""

    def __init__(self, classes: int, input_size: int = 300, channels: int = 1) -> None:
        super().__init__(effnet_blocks(channels, partial(nn.LeakyReLU, 0.3, inplace=True)), classes, input_size)
