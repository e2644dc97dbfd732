"""MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications. A. Howard et al., 2017.

Table 1, with global pooling and one fully connected layer. SSDC-MiniNet is compared with widths 1, 0.25 and 0.1 in
Keras. Keras rounds channels down, and counts the running statistics of batch norms as parameters.
"""

from __future__ import annotations

from torch import nn

from steelflow.models.backbone import BackboneNetwork
from steelflow.models.blocks import conv, separable

# Channels and stride of the thirteen DS layers.
LAYERS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))


class MobileNetV1(BackboneNetwork):
    """Counted as Keras does, with three channels and six classes: 3,235,014; width 0.25: 220,086; width 0.1: 40,499."""

    def __init__(
        self,
        classes: int,
        input_size: int = 200,  # noqa: ARG002  any size does
        channels: int = 1,
        width: float = 1.0,
    ) -> None:
        inputs = int(32 * width)
        layers = [conv(channels, inputs, 3, 2)]
        for full, stride in LAYERS:
            outputs = int(full * width)
            layers.append(separable(inputs, outputs, 3, stride))
            inputs = outputs
        super().__init__(nn.Sequential(*layers), inputs, nn.Linear(inputs, classes))
