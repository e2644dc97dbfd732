"""CASI-Net: A Novel and Effect Steel Surface Defect Classification Method Based on Coordinate Attention and
Self-Interaction Mechanism. Z. Li, C. Wu, Q. Han, M. Hou, G. Chen, T. Weng. Mathematics 2022, 10, 963.

Its parts, which Table 1 adds one by one (``casi_net_blfe``, ``casi_net_blfe_si``, ``casi_net_blfe_ca``, ``casi_net``):
BLFE, three DS blocks as EffNet has them, with ReLU; coordinate attention (CA); self-interaction (SI); and one fully
connected layer on the flattened map.

The paper does not say, and we chose:
- where a block pools, and its inner widths: as in EffNet. This gives the sizes of the maps and the 2.22 M parameters.
- the reduction of CA: 32, as in the paper that introduced CA (Hou et al. 2021). 8 or 16 would give 2.24 or 2.23 M.

Its Table 2 gives 2.23 M for "MobileNet": MobileNetV2 with six classes (2,231,558; V1 has 3.2 M). It gives 25.56 M for
"ResNet": ResNet-50 with the 1,000 classes of ImageNet (with six: 23.5 M).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steelflow.models.blocks import RELU
from steelflow.models.effnet import MapNetwork, effnet_blocks


class CoordinateAttention(nn.Module):
    """y_c(i, j) = x_c(i, j) · g^h_c(i) · g^w_c(j): a gate for each row and one for each column (section 3.2).

    g = σ(F δ(F₁ z)), with z the mean over the row or column, F₁ shared and δ the ReLU. The paper concatenates the
    two z before F₁ and splits them after; F₁ is a 1×1 convolution, so applying it to each of them is the same.
    """

    def __init__(self, channels: int, reduction: int = 32) -> None:
        super().__init__()
        inner = channels // reduction
        self.squeeze = nn.Sequential(nn.Conv2d(channels, inner, 1), nn.ReLU(inplace=True))
        self.rows = nn.Sequential(nn.Conv2d(inner, channels, 1), nn.Sigmoid())
        self.columns = nn.Sequential(nn.Conv2d(inner, channels, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        rows = self.rows(self.squeeze(x.mean(3, keepdim=True)))
        columns = self.columns(self.squeeze(x.mean(2, keepdim=True)))
        weighted: Tensor = x * rows * columns
        return weighted


class SelfInteraction(nn.Module):
    """Z = Yᵀ ⊙ Y, the transpose over the two axes of each map, which must be square (section 3.3)."""

    def forward(self, y: Tensor) -> Tensor:
        return torch.transpose(y, 2, 3) * y


class CASINet(MapNetwork):
    """2.22 M parameters with three channels and six classes at 300×300; 2,102,790 of them are in the head."""

    def __init__(
        self,
        classes: int,
        input_size: int = 300,
        channels: int = 1,
        *,
        attention: bool = True,
        interaction: bool = True,
    ) -> None:
        body: list[nn.Module] = [effnet_blocks(channels, RELU)]
        if attention:
            body.append(CoordinateAttention(self.feature_dims))
        if interaction:
            body.append(SelfInteraction())
        super().__init__(nn.Sequential(*body), classes, input_size)
