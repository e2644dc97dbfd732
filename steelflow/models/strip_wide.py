"""StripWide: MobileNetV2's first blocks (M. Sandler et al. 2018), with a map of cells of 8×8 pixels.

The blocks up to 96 channels at stride 16 start from ImageNet weights. Their maps at strides 4, 8 and 16, and a map of
context at stride 32, are summed at stride 8 (T.-Y. Lin et al. 2017, "Feature Pyramid Networks").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v2

from steelflow.models.backbone import for_channels
from steelflow.models.blocks import conv, separable
from steelflow.models.dense import CellHead, DenseNetwork, doubled, lateral
from steelflow.models.strip_light import Residual

_TAPS = (3, 6, 13)
"""Blocks with 24 channels at stride 4, 32 at 8, 96 at 16."""


class StripWide(DenseNetwork):
    """``width`` channels at stride 8. Sides of views are multiples of 32."""

    stride = 8

    def __init__(
        self,
        classes: int,
        input_size: int = 256,  # noqa: ARG002  any multiple of 32 does
        channels: int = 1,
        *,
        width: int = 64,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.backbone = for_channels(mobilenet_v2().features[: _TAPS[-1] + 1], channels)
        self.from_quarter = nn.Sequential(conv(24, width, 3, 2), lateral(width, width))
        self.from_eighth = lateral(32, width)
        self.from_sixteenth = lateral(96, width)
        self.context = nn.Sequential(separable(96, 128, 3, 2), Residual(128, 5), Residual(128, 5))
        self.from_context = lateral(128, width)
        self.mix = nn.Sequential(separable(width, width, 3), Residual(width, 3), nn.Dropout2d(dropout))
        self.feature_dims = width
        self.head = CellHead(width, classes)

    def features(self, x: Tensor) -> Tensor:
        taps = []
        for place, block in enumerate(self.backbone.children()):
            x = block(x)
            if place in _TAPS:
                taps.append(x)
        quarter, eighth, sixteenth = taps
        coarse = self.from_sixteenth(sixteenth) + doubled(self.from_context(self.context(sixteenth)))
        summed = self.from_quarter(quarter) + self.from_eighth(eighth) + doubled(coarse)
        mixed: Tensor = self.mix(torch.relu(summed))
        return mixed
