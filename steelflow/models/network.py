"""What every network of the zoo offers: pooled features, and a head that turns them into logits."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Network(nn.Module, ABC):
    """A classifier of grey images in two halves, so that drift can look at what the head sees.

    Input: float32 (N, 1, S, S), normalised as the model's spec says. ``feature_dims`` is F.
    """

    feature_dims: int
    head: nn.Module

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """Pooled features, float32 (N, F)."""

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32 (N, C)."""
        logits: Tensor = self.head(self.features(x))
        return logits
