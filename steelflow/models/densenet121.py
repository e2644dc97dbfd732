"""Densely Connected Convolutional Networks. G. Huang, Z. Liu, L. van der Maaten, K. Weinberger, 2017: torchvision's
DenseNet-121. A baseline of SSDC-MiniNet.
"""

from __future__ import annotations

from torch import nn
from torchvision.models import densenet121

from steelflow.errors import ModelError
from steelflow.models.backbone import BackboneNetwork, for_channels

SMALLEST = 29


class DenseNet121(BackboneNetwork):
    """7,043,654 parameters with three channels and six classes, counted like Keras, with the running statistics."""

    def __init__(self, classes: int, input_size: int = 200, channels: int = 1) -> None:
        if input_size < SMALLEST:
            raise ModelError(
                f"densenet121: an image of {input_size} pixels is too small for its poolings; use {SMALLEST} or more"
            )
        backbone = nn.Sequential(densenet121().features, nn.ReLU(inplace=True))
        super().__init__(for_channels(backbone, channels), 1024, nn.Linear(1024, classes))
