"""Features of a pretrained network: MobileNetV2 with weights from a file, up to its last block at a sixteenth of the
picture's side. Later blocks know objects, earlier ones little more than edges."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from steelflow.models.mobilenet_v2_transfer import MobileNetV2Transfer
from steelflow.models.weights_file import load_weights

ARCH = "mobilenet_v2_transfer"
_BLOCKS = 14


def pretrained_features(file: Path, sample: Tensor) -> nn.Module:
    """float (N, 1, S, S) to (N, 96, S/16, S/16).

    Args:
        sample: views (N, 1, S, S), normalised as ``models.spec`` says; see ``weights_file.load_weights``.

    Raises:
        ModelError: the file is missing, damaged, or of another network.
    """
    network = MobileNetV2Transfer(2)
    load_weights(network, ARCH, file, sample)
    assert isinstance(network.backbone, nn.Sequential), "torchvision's features are a chain"
    blocks = network.backbone[:_BLOCKS].eval()
    return Turned(blocks) if file.suffix == ".tflite" else blocks


class Turned(nn.Module):
    """``network`` for the picture turned by 180°, and its map turned back: with weights of a TFLite file it sees the
    picture as it is (``weights_file.fill_folded``)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor) -> Tensor:
        found: Tensor = self.network(picture.flip(2, 3))
        return found.flip(2, 3)
