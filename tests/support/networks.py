"""Small networks and data for them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from steelflow.models.backbone import BackboneNetwork


def centred(pixels: Tensor) -> Tensor:
    return (pixels.float() - 128) / 32


def dark_and_bright(dark: int, bright: int, apart: float = 30.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Even pictures (N, 1, 4, 4) around 128 ∓ half of ``apart``, with a spread of 20."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [dark, bright])
    value = rng.normal(128 + apart * (labels - 0.5), 20).clip(0, 255).astype(np.uint8)
    return torch.from_numpy(value)[:, None, None, None].repeat(1, 1, 4, 4), torch.from_numpy(labels)


def transfer() -> BackboneNetwork:
    """A backbone of two convolutions, each with its batch norm, and a head."""
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 3, 2), nn.BatchNorm2d(3)
    return BackboneNetwork(nn.Sequential(*layers), 3, nn.Linear(3, 2))
