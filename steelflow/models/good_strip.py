"""A model of good strip without labels: the distance of every cell's features to those of good strip.

A bank holds the features of a few hundred cells of good strip. The further a cell is from its nearest neighbour in the
bank, the less it looks like good strip. Source: K. Roth et al. (2022), "Towards total recall in industrial anomaly
detection" (PatchCore): features of several depths, averaged over 3×3 cells, and a bank that covers them (a core-set).
Here the network may be one that ships, and a view's score is a smooth maximum over its cells (``models.pooling``).

Everything is inside one graph. The distances are a 1×1 convolution: ‖z − b‖² = ‖z‖² − 2 z·b + ‖b‖².
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

GOOD, UNKNOWN = "good", "unknown defect"
CLASSES = (GOOD, UNKNOWN)


class GoodStrip(nn.Module):
    """uint8 (N, 1, S, S) to logits (N, 2), embedding (N, E) and map (N, 2, h, w): good, and unknown defect.

    The logit of a cell is (distance − ``middle``) / ``spread``; that of good is 0. The embedding is the mean of the
    cells' features, weighted by how much each looks like a defect, so defects that look alike are near each other.

    Args:
        features: float (N, 1, S, S), normalised by ``mean`` and ``std``, to (N, F, h, w).
        bank: float (B, F), cells of good strip, standardised.
        centre, scale: float (F,), what standardises the features.
        projection: float (E, F), from standardised features to the embedding.
    """

    bank: Tensor
    centre: Tensor
    scale: Tensor
    projection: Tensor

    def __init__(
        self,
        features: nn.Module,
        *,
        mean: float,
        std: float,
        bank: Tensor,
        centre: Tensor,
        scale: Tensor,
        projection: Tensor,
        middle: float = 0.0,
        spread: float = 1.0,
        sharpness: float = 1.0,
    ) -> None:
        super().__init__()
        self.network = features
        self.mean, self.std = mean, std
        self.middle, self.spread, self.sharpness = middle, spread, sharpness
        for name, tensor in (("bank", bank), ("centre", centre), ("scale", scale), ("projection", projection)):
            self.register_buffer(name, tensor.float())

    def standardised(self, image: Tensor) -> Tensor:
        """uint8 (N, 1, S, S) to the standardised features of its cells, (N, F, h, w)."""
        found = self.network(image.float() * (1 / (255 * self.std)) - self.mean / self.std)
        return (found - self.centre[:, None, None]) / self.scale[:, None, None]

    def distances(self, cells: Tensor) -> Tensor:
        """Root mean square difference of each cell (N, F, h, w) to the nearest of the bank: (N, h, w)."""
        bank = self.bank
        products = nn.functional.conv2d(cells, -2 * bank[:, :, None, None], (bank**2).sum(1))
        squared = products.amin(1) + (cells**2).sum(1)
        return (squared.clamp(min=0) / cells.shape[1] + 1e-12).sqrt()

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        cells = self.standardised(image)
        defect = (self.distances(cells) - self.middle) / self.spread
        scaled = self.sharpness * defect.flatten(1)
        top = scaled.amax(1, keepdim=True)
        pooled = (top + (scaled - top).exp().mean(1, keepdim=True).log()) / self.sharpness
        weights = (scaled - top).exp()
        weights = weights / weights.sum(1, keepdim=True)
        typical = (cells.flatten(2) * weights[:, None]).sum(2)
        embedding = typical @ self.projection.T
        return torch.cat([torch.zeros_like(pooled), pooled], 1), embedding, torch.stack(
            [torch.zeros_like(defect), defect], 1
        )
