"""Where the features of a cell come from: a network that ships, or MobileNetV2 with weights from a file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from steelflow.models.deployable import load_torch
from steelflow.models.mobilenet_v2_transfer import MobileNetV2Transfer
from steelflow.models.shipped import WEIGHTS
from steelflow.models.ssdc_mininet import SSDCMiniNet
from steelflow.models.weights_file import load_weights

AROUND = 7
"""Cells on a side of the square over which features are averaged."""

CELL = 16
"""Side of a cell in pixels of the view."""

PRETRAINED = "mobilenet_v2_transfer"
SHIPPED = "ssdc_mininet"
_TAPS = (13,)  # the last block at a sixteenth of the picture's side


class CellFeatures(nn.Module):
    """The maps of several depths of a network, averaged around each cell, one after another: float
    (N, 1, S, S) to (N, F, S / ``CELL``, S / ``CELL``)."""

    def maps(self, x: Tensor) -> list[Tensor]:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([_by_cell(found, x.shape[-1] // CELL) for found in self.maps(x)], 1)


class ChainFeatures(CellFeatures):
    """Of a chain of blocks, the maps after those in ``taps``."""

    def __init__(self, blocks: nn.Sequential, taps: tuple[int, ...]) -> None:
        super().__init__()
        self.blocks = blocks[: max(taps) + 1]
        self.taps = taps

    def maps(self, x: Tensor) -> list[Tensor]:
        found = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.taps:
                found.append(x)
        return found


class MiniNetFeatures(CellFeatures):
    """Of SSDC-MiniNet, the maps after the stem and after each layer of the body."""

    def __init__(self, network: SSDCMiniNet) -> None:
        super().__init__()
        self.network = network

    def maps(self, x: Tensor) -> list[Tensor]:
        net = self.network
        found = [net.stem(x)]
        x = found[0] * net.stem_gate(net.pool(found[0]))
        for layer in net.body:
            x = layer(x)
            found.append(x)
        return found


def cell_features(pretrained: Path | None, sample: Tensor) -> CellFeatures:
    """The features of SSDC-MiniNet, trained on NEU, as it ships; with a file, those of MobileNetV2 with its weights.

    Args:
        sample: views (N, 1, S, S), normalised as ``models.spec`` says; see ``weights_file.load_weights``.

    Raises:
        ModelError: the file is missing, damaged, or of another network.
    """
    if pretrained is None:
        model, _ = load_torch(WEIGHTS / f"{SHIPPED}.safetensors")
        assert isinstance(model.network, SSDCMiniNet), "the shipped weights name their network"
        return MiniNetFeatures(model.network).eval()
    network = MobileNetV2Transfer(2)
    load_weights(network, PRETRAINED, pretrained, sample)
    assert isinstance(network.backbone, nn.Sequential), "torchvision's features are a chain"
    return ChainFeatures(network.backbone, _TAPS).eval()


def _by_cell(found: Tensor, side: int) -> Tensor:
    """The mean of a map (N, F, h, w) over each of ``side`` × ``side`` cells and those around it."""
    factor = found.shape[-1] // side
    cells = nn.functional.avg_pool2d(found, factor) if factor > 1 else found
    return nn.functional.avg_pool2d(cells, AROUND, 1, AROUND // 2, count_include_pad=False)
