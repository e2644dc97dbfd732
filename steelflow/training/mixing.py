"""Mix pairs of training images and their labels: mixup and cutmix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Mixed:
    """The partner of each image, and the share of the image that remains."""

    partner: Tensor  # (N,) index into the batch
    share: Tensor  # (N,) λ in 0 … 1


def mix(x: Tensor, mixup_alpha: float, cutmix_alpha: float, rng: torch.Generator) -> tuple[Tensor, Mixed | None]:
    """Mix a batch (N, 1, S, S) with the method whose α is above 0. If both are, choose one at random."""
    if mixup_alpha > 0 and cutmix_alpha > 0:
        coin = bool(torch.rand((), generator=rng, device=x.device) < 0.5)
        mixup_alpha, cutmix_alpha = (mixup_alpha, 0.0) if coin else (0.0, cutmix_alpha)
    if mixup_alpha > 0:
        return mixup(x, mixup_alpha, rng)
    if cutmix_alpha > 0:
        return cutmix(x, cutmix_alpha, rng)
    return x, None


def mixup(x: Tensor, alpha: float, rng: torch.Generator) -> tuple[Tensor, Mixed]:
    """λ·x + (1 − λ)·x′ with λ ~ Beta(α, α) for each image (Zhang et al. 2018)."""
    partner = torch.randperm(len(x), generator=rng, device=x.device)
    share = _beta(x, alpha, rng)
    part = share[:, None, None, None]
    return part * x + (1 - part) * x[partner], Mixed(partner, share)


def cutmix(x: Tensor, alpha: float, rng: torch.Generator) -> tuple[Tensor, Mixed]:
    """Paste a box of x′ into x. Its sides are √(1 − λ) of the picture's, λ ~ Beta(α, α) (Yun et al. 2019).

    The centre of the box is uniform over the picture; the box is clipped to the picture. The share is the share of
    pixels of x that remain.
    """
    count, _, side, _ = x.shape
    partner = torch.randperm(count, generator=rng, device=x.device)
    half = side * (1 - _beta(x, alpha, rng)).sqrt() / 2
    centre = side * torch.rand(2, count, 1, generator=rng, device=x.device)
    inside = (torch.arange(side, device=x.device) + 0.5 - centre).abs() < half[:, None]  # (2, N, S)
    box = inside[0][:, :, None] & inside[1][:, None, :]
    return torch.where(box[:, None], x[partner], x), Mixed(partner, 1 - box.float().mean((1, 2)))


def _beta(x: Tensor, alpha: float, rng: torch.Generator) -> Tensor:
    """Beta(α, α) for each image, from NumPy seeded by ``rng``: torch could use only its global generator."""
    seed = int(torch.randint(2**62, (), generator=rng, device=x.device))
    return torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, len(x))).to(x)
