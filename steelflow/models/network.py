"""What every network of the zoo offers: features, a head that turns them into logits, and a summary of the features."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Network(nn.Module, ABC):
    """A classifier of grey images in two halves, so that drift can look at what the head sees.

    Input: float32 (N, channels, S, S), normalised as the model's spec says; channels is 1 wherever steelflow trains
    and runs. ``feature_dims`` is F, the width of what ``pooled`` gives.
    """

    feature_dims: int
    head: nn.Module

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """What the head takes."""

    def pooled(self, features: Tensor) -> Tensor:
        """Features as float32 (N, F), for the embedding. They are so already unless the head takes a whole map."""
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32 (N, C)."""
        logits: Tensor = self.head(self.features(x))
        return logits
