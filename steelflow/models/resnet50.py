"""Deep Residual Learning for Image Recognition. K. He, X. Zhang, S. Ren, J. Sun, 2016: ResNet-50, torchvision's.

A baseline of three of the papers. SSDC-MiniNet's paper gives 23,600,006 parameters, counted by Keras: the 23,520,326
here, 53,120 running statistics, and 26,560 biases of convolutions. These biases have no effect before batch norms. A
stage halves the map in the 3×3 convolution in torchvision, and in the 1×1 convolution before it in Keras: 8.17 GFLOPs
at 224×224 against 7.75 in SSDC-MiniNet's paper.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn
from torchvision.models import resnet50

from steelflow.models.backbone import BackboneNetwork, for_channels


class ResNet50(BackboneNetwork):
    """23,520,326 parameters with three channels and six classes."""

    def __init__(self, classes: int, input_size: int = 200, channels: int = 1) -> None:  # noqa: ARG002  any size does
        layers = OrderedDict(resnet50().named_children())
        del layers["avgpool"], layers["fc"]
        super().__init__(for_channels(nn.Sequential(layers), channels), 2048, nn.Linear(2048, classes))
