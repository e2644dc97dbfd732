"""MobileSteelNet: A Lightweight Steel Surface Defect Classification Network with Cross-Interactive Efficient
Multi-Scale Attention. X. Zou, Z. Liu, C. Xu, J. Zhang, Z. Li. Sensors 2026, 26, 1022.

A trunk of DS layers in three stages; MSFF, which joins the outputs of the stages at the size of the first; CIEMA,
attention over channels and space, in groups of channels; global average and one fully connected layer. The paper does
not say which layers have a bias or a batch norm. We follow the authors' public repository: this gives the 8,438,535
parameters.

The paper calls the network light and gives its size as 8.2 MB. It has 8.4 million parameters, 34 MB in float32, and
takes 58 GFLOPs at 224×224, seven times as many as ResNet-50: MSFF and CIEMA work on 1,024 channels at 56×56.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steelflow.models.blocks import conv
from steelflow.models.network import Network

WIDTH = 1024
# Inputs, outputs and stride of the DS layers.
STAGES = (
    ((32, 64, 1), (64, 128, 2), (128, 128, 1)),
    ((128, 256, 1), (256, 512, 2), (512, 512, 1), (512, 512, 1)),
    ((512, 512, 1), (512, 512, 1), (512, 1024, 2), (1024, 1024, 1)),
)


def linear_separable(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """3×3 depthwise, 1×1, batch norm, no activation: after the stem's ReLU the trunk is linear."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
    )


class MSFF(nn.Module):
    """Multi-scale feature fusion: all maps resized (bilinear) to the first, joined, 1×1 convolution, norm, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.fuse = conv(inputs, outputs, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        size = maps[0].shape[2:]
        resized = [nn.functional.interpolate(m, size=size, mode="bilinear", align_corners=False) for m in maps[1:]]
        fused: Tensor = self.fuse(torch.cat([maps[0], *resized], 1))
        return fused


class ChannelInteraction(nn.Module):
    """X_c = a ⊙ X + (1 − a) ⊙ W X, with a = σ(MLP(GAP X) + MLP(GMP X)) and W a 1×1 convolution."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        inner = channels // reduction
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, channels, 1, bias=False),
        )
        self.mix = nn.Conv2d(channels, channels, 1, bias=False)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.largest = nn.AdaptiveMaxPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        a = torch.sigmoid(self.mlp(self.mean(x)) + self.mlp(self.largest(x)))
        y: Tensor = a * x + (1 - a) * self.mix(x)
        return y


class MultiScale(nn.Module):
    """F(x) = norm(W₂ (S ⊙ M)) + α W₃ x, with M = [K₁ x, K₃ x, K₅ x] and S = σ(norm(W₁ M)).

    K₁, K₃ and K₅ are convolutions with kernels of 1×1, 3×3 and 5×5; W are 1×1; α is learnt and starts at 1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList(nn.Conv2d(channels, channels, k, padding=k // 2, bias=False) for k in (1, 3, 5))
        self.gate = conv(3 * channels, 3 * channels, 1, activation=nn.Sigmoid)
        self.reduce = conv(3 * channels, channels, 1, activation=nn.Identity)
        self.direct = nn.Conv2d(channels, channels, 1, bias=False)
        self.alpha = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        m = torch.cat([scale(x) for scale in self.scales], 1)
        y: Tensor = self.reduce(self.gate(m) * m) + self.alpha * self.direct(x)
        return y


class GroupNorm(nn.GroupNorm):
    """torch's group norm without its shape check in Python, which gives a warning during export."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class CIEMA(nn.Module):
    """Cross-interactive efficient multi-scale attention: (N, C, h, w) to the same.

    X_c = channel interaction of X. U is X_c in G groups of g = C / G channels, (N·G, g, h, w), which share weights:
        x₁ = GroupNorm(U ⊙ σ(W mean over rows) ⊙ σ(W mean over columns)),  x₂ = conv 3×3 (U)
        A = σ(softmax(GAP F(x₁)) · F(x₂) + softmax(GAP F(x₂)) · F(x₁)),  · summing over the g channels;  X_s = U ⊙ A
    For the whole map: X_m = bottleneck C → C/4 → C of X_s;  T = σ(norm(W [X_s, X_m]));  Y = T ⊙ X_c + (1 − T) ⊙ X_s.

    In training, the norms inside F see all groups at once.
    """

    def __init__(self, channels: int, groups: int = 32, reduction: int = 16) -> None:
        super().__init__()
        self.groups = groups
        width = channels // groups
        self.channel = ChannelInteraction(channels, reduction)
        self.direction = nn.Conv2d(width, width, 1)
        self.norm = GroupNorm(width, width)
        self.local = nn.Conv2d(width, width, 3, padding=1)
        self.scales = MultiScale(width)
        self.bottleneck = nn.Sequential(
            conv(channels, channels // 4, 1), conv(channels // 4, channels, 1, activation=nn.Identity)
        )
        self.choose = conv(2 * channels, channels, 1, activation=nn.Sigmoid)
        self.mean = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        whole = self.channel(x)
        u = whole.unflatten(1, (self.groups, -1)).flatten(0, 1)
        rows = torch.sigmoid(self.direction(u.mean(3, keepdim=True)))
        columns = torch.sigmoid(self.direction(u.mean(2, keepdim=True)))
        f1, f2 = self.scales(self.norm(u * rows * columns)), self.scales(self.local(u))
        attention = torch.sigmoid(self._weighted(f1, f2) + self._weighted(f2, f1))
        spatial = (u * attention).unflatten(0, (-1, self.groups)).flatten(1, 2)
        t = self.choose(torch.cat([spatial, self.bottleneck(spatial)], 1))
        y: Tensor = t * whole + (1 - t) * spatial
        return y

    def _weighted(self, by: Tensor, of: Tensor) -> Tensor:
        """Sum over the channels of ``of``, weighted by the softmax of the means of ``by``."""
        return (torch.softmax(self.mean(by), 1) * of).sum(1, keepdim=True)


class MobileSteelNet(Network):
    """8,438,535 parameters with three channels and six classes."""

    feature_dims = WIDTH

    def __init__(self, classes: int, input_size: int = 224, channels: int = 1) -> None:  # noqa: ARG002  any size does
        super().__init__()
        self.stem = conv(channels, STAGES[0][0][0], 3, 2)
        self.stages = nn.ModuleList(nn.Sequential(*(linear_separable(*layer) for layer in stage)) for stage in STAGES)
        self.fusion = MSFF(sum(stage[-1][1] for stage in STAGES), WIDTH)
        self.attention = CIEMA(WIDTH)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(WIDTH, classes)

    def features(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return torch.flatten(self.pool(self.attention(self.fusion(maps))), 1)
