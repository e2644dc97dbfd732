"""The interface of every network of the zoo: features, a head for the logits, and a summary of the features."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Network(nn.Module, ABC):
    """A classifier of grey images in two halves: the drift check uses the input of the head.

    Input: float32 (N, channels, S, S), normalised as the model's spec says. steelflow trains and runs with one channel.
    ``feature_dims`` is F, the width of ``pooled``.
    """

    feature_dims: int
    head: nn.Module

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """The input of the head."""

    def pooled(self, features: Tensor) -> Tensor:
        """Features as float32 (N, F), for the embedding. A network whose head takes a whole map overrides this."""
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32 (N, C)."""
        logits: Tensor = self.head(self.features(x))
        return logits
