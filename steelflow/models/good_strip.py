"""A model of good strip without labels: what in a view is unlike the good strip that it was made from.

Two measures of every cell, added:

- what a *finder* says, a small network that was taught on good strip with planted defects to find these;
- how far the cell's features are from the nearest of a *bank*, features of a thousand cells of good strip. The features
  are the finder's own, and those of a pretrained network if there is one.

Sources: C.-L. Li et al. (2021), "CutPaste: self-supervised learning for anomaly detection and localization", for a
network that learns from planted defects and is used for its features; V. Zavrtanik et al. (2021), "DRAEM", for planted
defects of random shape and a map as output; K. Roth et al. (2022), "Towards total recall in industrial anomaly
detection" (PatchCore), for a bank that covers locally averaged features.

Everything is inside one graph. The distances are a 1×1 convolution: ‖z − b‖² = ‖z‖² − 2 z·b + ‖b‖².
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

GOOD, UNKNOWN = "good", "unknown defect"
CLASSES = (GOOD, UNKNOWN)

CELL = 8
"""Side of a cell of the map, in pixels of the view."""

_FLOOR = 0.5
_AROUND = 7  # blocks of 2 × 2 cells on a side of the square over which features, and then distances, are averaged
_WIDTHS = (12, 24, 48)


def around(features: Tensor, side: int) -> Tensor:
    """A map (N, F, h, w) as means over blocks, ``side`` of them on a side, and over the blocks around each."""
    factor = features.shape[-1] // side
    return _smooth(nn.functional.avg_pool2d(features, factor) if factor > 1 else features)


class Finder(nn.Module):
    """A fully convolutional network: float (N, 1, S, S), 0 to 1, to a map of features (N, F, S/8, S/8) and the logit of
    a defect in each cell, (N, S/8, S/8).

    Beside the picture it sees the picture less its local mean, divided by its local deviation, so that it depends less
    on light.
    """

    def __init__(self, widths: tuple[int, int, int] = _WIDTHS) -> None:
        super().__init__()
        half, quarter, eighth = widths
        self.width = 2 * eighth
        self.stem = nn.Sequential(_conv(2, half, 5, 2), _conv(half, quarter, 3, 2), _conv(quarter, quarter))
        self.body = nn.Sequential(_conv(quarter, eighth, 3, 2), _conv(eighth, eighth))
        self.near = _conv(eighth, eighth, dilation=2)
        self.far = _conv(eighth, eighth, dilation=4)
        last = nn.Conv2d(64, 1, 1)
        assert last.bias is not None, "it has one unless told otherwise"
        nn.init.constant_(last.bias, -3.0)  # most cells are good
        self.head = nn.Sequential(nn.Conv2d(self.width + quarter, 64, 1), nn.ReLU(inplace=True), last)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        mean = _local(picture)
        deviation = (_local((picture - mean) ** 2) + 4e-4).sqrt()
        fine = self.stem(torch.cat([(picture - 0.4) / 0.25, (picture - mean) / deviation], 1))
        first = self.body(fine)
        second = first + self.near(first)
        second = second + self.far(second)
        features = torch.cat([first, second], 1)
        logits: Tensor = self.head(torch.cat([nn.functional.avg_pool2d(fine, 2), features], 1))
        return features, logits[:, 0]


class Bank(nn.Module):
    """``cells`` (B, F) of good strip, standardised by ``centre`` and ``scale`` (F,); ``weight`` of its distances."""

    cells: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, cells: Tensor, centre: Tensor, scale: Tensor, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight
        for name, tensor in (("cells", cells), ("centre", centre), ("scale", scale)):
            self.register_buffer(name, tensor.float())

    def forward(self, features: Tensor) -> Tensor:
        """Distance d of each block (N, F, h, w) to the nearest cell of the bank: (N, h, w).

        d = √(mean square difference + ``_FLOOR``²): near 0 a root would magnify the rounding of the squares.
        """
        standard = (features - self.centre[:, None, None]) / self.scale[:, None, None]
        products = nn.functional.conv2d(standard, -2 * self.cells[:, :, None, None], (self.cells**2).sum(1))
        squared = products.amin(1) + (standard**2).sum(1)
        return (squared.clamp(min=0) / self.cells.shape[1] + _FLOOR**2).sqrt()


class GoodStrip(nn.Module):
    """uint8 (N, 1, S, S) to logits (N, 2), embedding (N, E) and map (N, 2, S/8, S/8): good, and unknown defect.

    The logit of a cell is (sum of measures − ``middle``) / ``spread``; that of good is 0. The embedding is the mean of
    the finder's features, weighted by how much each cell looks like a defect, and projected: defects that look alike
    are near each other.
    """

    projection: Tensor

    def __init__(self, finder: Finder, pretrained: nn.Module | None, dims: int) -> None:
        super().__init__()
        self.finder, self.pretrained = finder, pretrained
        self.banks = nn.ModuleList()
        self.finder_weight = 1.0
        self.middle, self.spread, self.sharpness = 0.0, 1.0, 1.0
        self.register_buffer("projection", torch.zeros(dims, finder.width))

    def features(self, image: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The finder's features, its logits, and what the banks compare: the features around each block."""
        picture = image.float() / 255
        found, logits = self.finder(picture)
        blocks = [around(found, found.shape[-1] // 2)]
        if self.pretrained is not None:
            blocks.append(around(self.pretrained((picture - 0.5) / 0.25), found.shape[-1] // 2))
        return found, logits, blocks

    def measure(self, logits: Tensor, distances: Sequence[Tensor]) -> Tensor:
        """The sum of the measures, (N, S/8, S/8), from the finder's logits and each bank's distances."""
        total = self.finder_weight * logits
        for bank, distance in zip(self.banks, distances, strict=True):
            assert isinstance(bank, Bank), "there is nothing else in the list"
            fine = nn.functional.interpolate(
                _smooth(distance[:, None]), scale_factor=2.0, mode="bilinear", align_corners=False
            )
            total = total + bank.weight * fine[:, 0]
        return total

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features, logits, blocks = self.features(image)
        distances = [bank(block) for bank, block in zip(self.banks, blocks, strict=True)]
        defect = (self.measure(logits, distances) - self.middle) / self.spread
        scaled = self.sharpness * defect.flatten(1)
        top = scaled.amax(1, keepdim=True)
        weights = (scaled - top).exp()
        pooled = (top + weights.mean(1, keepdim=True).log()) / self.sharpness
        typical = (features.flatten(2) * (weights / weights.sum(1, keepdim=True))[:, None]).sum(2)
        both = [torch.cat([torch.zeros_like(pooled), pooled], 1), torch.stack([torch.zeros_like(defect), defect], 1)]
        return both[0], typical @ self.projection.T, both[1]


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _smooth(blocks: Tensor) -> Tensor:
    return nn.functional.avg_pool2d(blocks, _AROUND, 1, _AROUND // 2, count_include_pad=False)


def _local(picture: Tensor) -> Tensor:
    """The mean over about 40 × 40 pixels around each pixel."""
    means = nn.functional.avg_pool2d(nn.functional.avg_pool2d(picture, 8), 5, 1, 2, count_include_pad=False)
    return nn.functional.interpolate(means, size=picture.shape[-2:], mode="bilinear", align_corners=False)
