"""Networks that judge every cell of a view: fully convolutional, supervised by masks and boxes.

``features`` of such a network is a map (N, F, h, w), which a 1×1 convolution turns into the logits of each cell,
(N, C, h, w). A model's view logits are pooled from these (``models.pooling``); ``pooled_cells`` is the same in torch,
so that it can be trained and exported.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from steelflow.models.network import Network


class CellHead(nn.Module):
    """A 1×1 convolution from features to the logits of each cell; called as a head, it gives those of the mean cell."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, classes, 1)

    def cells(self, features: Tensor) -> Tensor:
        found: Tensor = self.conv(features)
        return found

    def forward(self, features: Tensor) -> Tensor:
        return self.cells(features).mean((2, 3))


class DenseNetwork(Network):
    """A network with a map of cells. ``stride`` is the side of a cell in pixels of the view.

    ``forward`` gives the mean cell's logits (N, C); a model of views pools the cells as its spec says.
    """

    stride: int
    head: CellHead

    def cells(self, x: Tensor) -> Tensor:
        """Logits of the cells, float32 (N, C, h, w)."""
        return self.head.cells(self.features(x))

    def pooled(self, features: Tensor) -> Tensor:
        return features.mean((2, 3))


def pooled_cells(cells: Tensor, good: Sequence[int], sharpness: float) -> Tensor:
    """``models.pooling.pooled`` in torch: logits (N, C) of views from their cells (N, C, h, w)."""
    flat, places = cells.flatten(2), list(good)
    fine = flat[:, places]
    goodness = fine if len(places) == 1 else torch.logsumexp(fine, 1, keepdim=True)
    scaled = sharpness * (flat - goodness)
    top = scaled.amax(2, keepdim=True)
    defects = (top.squeeze(2) + torch.log(torch.exp(scaled - top).mean(2))) / sharpness
    goods = torch.log_softmax(fine.mean(2), 1)
    columns = [goods[:, places.index(c)] if c in places else defects[:, c] for c in range(cells.shape[1])]
    return torch.stack(columns, 1)


def lateral(inputs: int, outputs: int) -> nn.Sequential:
    """1×1 convolution and batch norm, without activation: maps of several strides are summed after it."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


def doubled(x: Tensor) -> Tensor:
    """The map with each cell repeated twice along both sides."""
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
