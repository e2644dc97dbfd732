"""Defect Inspection on Metal Production Using Image Processing. O. K. Kamel, M. Hassan, M. M. Saeid: MobileNetV2,
fine-tuned in two phases.

The backbone is torchvision's MobileNetV2 (M. Sandler et al. 2018), the head is ``backbone.transfer_head``. The paper
contradicts itself about the head. One place says max pooling, dense 64, dropout, then the global average. Three others
say global average, dense 256 and dropout, as here. ``hidden`` sets the width.
"""

from __future__ import annotations

from torchvision.models import mobilenet_v2

from steelflow.models.backbone import BackboneNetwork, for_channels, transfer_head


class MobileNetV2Transfer(BackboneNetwork):
    """2,223,872 parameters in the backbone with three channels, and 329,478 in the head with six classes."""

    def __init__(
        self,
        classes: int,
        input_size: int = 224,  # noqa: ARG002  any size does
        channels: int = 1,
        *,
        hidden: int = 256,
        dropout: float = 0.5,
    ) -> None:
        backbone = for_channels(mobilenet_v2().features, channels)
        super().__init__(backbone, 1280, transfer_head(1280, classes, hidden, dropout))
