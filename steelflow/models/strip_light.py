"""StripLight: our network for views of strip on CPUs, with a map of cells of 8×8 pixels.

About as many operations a pixel as ``steelnet``. Small defects need the fine maps, uneven surfaces the context: most
layers work at strides of 16 and 32, where they cost little, and are added to the map of stride 8 (T.-Y. Lin et al.
2017, "Feature Pyramid Networks for Object Detection").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steelflow.models.blocks import conv, separable
from steelflow.models.dense import CellHead, DenseNetwork, doubled, lateral


class Residual(nn.Module):
    """x + separable convolution of x."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.body = separable(width, width, kernel)

    def forward(self, x: Tensor) -> Tensor:
        grown: Tensor = x + self.body(x)
        return grown


class StripLight(DenseNetwork):
    """``widths`` are the channels at strides 2, 4, 8, 16 and 32. Sides of views are multiples of 32."""

    stride = 8

    def __init__(
        self,
        classes: int,
        input_size: int = 256,  # noqa: ARG002  any multiple of 32 does
        channels: int = 1,
        *,
        widths: tuple[int, int, int, int, int] = (16, 32, 64, 96, 128),
        stem: int = 3,
    ) -> None:
        super().__init__()
        half, quarter, eighth, wide, widest = widths
        self.stem = nn.Sequential(conv(channels, half, stem, 2), separable(half, quarter, 3, 2))
        self.fine = separable(quarter, eighth, 3, 2)
        self.middle = nn.Sequential(separable(eighth, wide, 3, 2), Residual(wide, 5), Residual(wide, 5))
        self.coarse = nn.Sequential(separable(wide, widest, 3, 2), Residual(widest, 5))
        self.to_middle = lateral(widest, wide)
        self.to_fine = lateral(wide, eighth)
        self.mix = conv(eighth, eighth, 3, groups=eighth)
        self.feature_dims = eighth
        self.head = CellHead(eighth, classes)

    def features(self, x: Tensor) -> Tensor:
        fine = self.fine(self.stem(x))
        middle = self.middle(fine)
        middle = torch.relu(middle + doubled(self.to_middle(self.coarse(middle))))
        fine = torch.relu(fine + doubled(self.to_fine(middle)))
        mixed: Tensor = self.mix(fine)
        return mixed
