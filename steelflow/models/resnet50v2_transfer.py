"""Defect Inspection on Metal Production Using Image Processing. O. K. Kamel, M. Hassan, M. M. Saeid: ResNet50V2,
fine-tuned in two phases.

V2 is the pre-activation ResNet (K. He et al., Identity Mappings in Deep Residual Networks, 2016): batch norm and ReLU
come before the convolutions, and nothing comes after the sum. torchvision has V1 only, so the network is built here, as
in Keras: each stage halves the map in its last block, and convolutions without a following batch norm have biases. The
head is ``backbone.transfer_head``, see ``mobilenet_v2_transfer``.
"""

from __future__ import annotations

from torch import Tensor, nn

from steelflow.models.backbone import BackboneNetwork, transfer_head
from steelflow.models.blocks import conv

# Inner channels, blocks and the stride of the last block, by stage.
STAGES = ((64, 3, 2), (128, 4, 2), (256, 6, 2), (512, 3, 1))
EXPANSION = 4


def activated(channels: int) -> nn.Sequential:
    """Batch norm, ReLU."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class PreActivation(nn.Module):
    """y = s(x) + F(a(x)), with a = batch norm and ReLU, F = 1×1, 3×3 and 1×1 convolutions (He et al. 2016, fig. 4e).

    The shortcut s is x itself, or every second pixel of x, or, if the number of channels changes, a 1×1 convolution of
    a(x).
    """

    def __init__(self, inputs: int, inner: int, stride: int) -> None:
        super().__init__()
        outputs = inner * EXPANSION
        self.activate = activated(inputs)
        self.projection = nn.Conv2d(inputs, outputs, 1, stride) if inputs != outputs else None
        self.skip = nn.MaxPool2d(1, stride) if stride > 1 else nn.Identity()
        self.residual = nn.Sequential(
            conv(inputs, inner, 1), conv(inner, inner, 3, stride), nn.Conv2d(inner, outputs, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        a = self.activate(x)
        shortcut = self.skip(x) if self.projection is None else self.projection(a)
        y: Tensor = shortcut + self.residual(a)
        return y


class ResNet50V2Transfer(BackboneNetwork):
    """23,564,800 parameters in the backbone with three channels, counted as Keras does, and 526,086 in the head."""

    def __init__(
        self,
        classes: int,
        input_size: int = 224,  # noqa: ARG002  any size does
        channels: int = 1,
        *,
        hidden: int = 256,
        dropout: float = 0.5,
    ) -> None:
        width = 64
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 7, 2, 3), nn.MaxPool2d(3, 2, 1)]
        for inner, blocks, last_stride in STAGES:
            for number in range(1, blocks + 1):
                layers.append(PreActivation(width, inner, last_stride if number == blocks else 1))
                width = inner * EXPANSION
        layers.append(activated(width))
        super().__init__(nn.Sequential(*layers), width, transfer_head(width, classes, hidden, dropout))
        for module in self.backbone.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
