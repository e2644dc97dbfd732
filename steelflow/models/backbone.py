"""Networks with a backbone, a global average and a head: fine-tuning in two phases needs this form."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steelflow.models.network import Network


class BackboneNetwork(Network):
    """``backbone`` computes a map (N, F, h, w); ``head`` takes its mean over h and w, (N, F)."""

    def __init__(self, backbone: nn.Module, feature_dims: int, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.feature_dims = feature_dims
        self.head = head
        self.pool = nn.AdaptiveAvgPool2d(1)

    def features(self, x: Tensor) -> Tensor:
        return torch.flatten(self.pool(self.backbone(x)), 1)

    def backbone_layers(self) -> list[nn.Module]:
        """The backbone's layers with parameters (convolutions and batch norms), from input to output."""
        return [m for m in self.backbone.modules() if next(m.parameters(recurse=False), None) is not None]


def transfer_head(inputs: int, classes: int, hidden: int = 256, dropout: float = 0.5) -> nn.Sequential:
    """Dense, ReLU, dropout, dense: the head of Kamel, Hassan and Saeid for an ImageNet backbone."""
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(inplace=True), nn.Dropout(dropout), nn.Linear(hidden, classes)
    )


def stem_of(backbone: nn.Module) -> nn.Conv2d:
    """The first convolution."""
    return next(m for m in backbone.modules() if isinstance(m, nn.Conv2d))


def for_channels(backbone: nn.Module, channels: int) -> nn.Module:
    """Change ``backbone``, which takes three channels, to take ``channels``: 3 or 1.

    For one channel, the weights of the first convolution are summed over the three, w = Σ_c w_c. For three equal
    channels the result is the same: Σ_c w_c ∗ x = w ∗ x.
    """
    if channels == 1:
        stem = stem_of(backbone)
        stem.weight = nn.Parameter(stem.weight.detach().sum(1, keepdim=True))
        stem.in_channels = 1
    return backbone
