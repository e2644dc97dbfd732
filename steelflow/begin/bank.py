"""Cells of good strip that stand for all of them, and the views that are left out because they deviate most."""

from __future__ import annotations

import torch
from torch import Tensor

BANK = 1000
_SAMPLE = 30_000  # cells to choose the bank from
_DIMS = 48  # of the random projection in which the bank is chosen

_CHUNK = 16  # views: the maps of a large network then need little memory, which is used again


def sample_cells(cells: Tensor, rng: torch.Generator, most: int = _SAMPLE) -> Tensor:
    """(N, F, h, w) to at most ``most`` cells (M, F), as many of every view."""
    count, width = cells.shape[:2]
    flat = cells.flatten(2)
    each = min(max(1, most // count), flat.shape[2])
    picked = torch.stack([torch.randperm(flat.shape[2], generator=rng)[:each] for _ in range(count)])
    return flat.gather(2, picked[:, None].expand(-1, width, -1)).transpose(1, 2).reshape(-1, width)


def core_set(cells: Tensor, size: int, rng: torch.Generator) -> Tensor:
    """``size`` of the cells (M, F) that cover them: each is the farthest from those before (Sener & Savarese 2018).

    Distances are those of a random projection; they are nearly the same (Johnson and Lindenstrauss 1984).
    """
    size = min(size, len(cells))
    points = cells
    if cells.shape[1] > _DIMS:
        points = cells @ (torch.randn(cells.shape[1], _DIMS, generator=rng) / _DIMS**0.5)
    lengths = (points**2).sum(1)
    nearest = torch.full((len(points),), torch.inf)
    chosen = [int(torch.randint(len(points), (1,), generator=rng))]
    for _ in range(size - 1):
        last = points[chosen[-1]]
        nearest = torch.minimum(nearest, lengths + (last**2).sum() - 2 * points @ last)
        chosen.append(int(nearest.argmax()))
    return cells[chosen]


def random_set(cells: Tensor, size: int, rng: torch.Generator) -> Tensor:
    """``size`` of the cells (M, F), any of them: unlike a core-set, mostly the usual ones."""
    return cells[torch.randperm(len(cells), generator=rng)[:size]]


def in_chunks(views: Tensor) -> tuple[Tensor, ...]:
    return torch.split(views, _CHUNK)
