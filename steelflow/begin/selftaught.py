"""Teach the finder on views of good strip with planted defects. No label is used."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from steelflow.begin.plan import STEPS
from steelflow.begin.planted import plant
from steelflow.models.good_strip import CELL, Finder

_BATCH = 16
_SIDE = 160  # pixels of the part of a view that a step sees, at most
_RATE = 2e-3
_WARM_UP = 50
_DECAY = 1e-3
_PLANTED = 0.6  # share of the views that get defects
_MOST = 3  # defects of a view
_SHARE = 0.06  # of a cell that a defect covers: with less, the cell counts as neither
_WEIGHT = 3.0  # of a defect cell

Pictures = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def teach(
    pictures: Pictures, seed: int, steps: int = STEPS, progress: Callable[[int], None] = lambda _: None
) -> Finder:
    """The taught finder, in evaluation mode.

    Args:
        pictures: views, uint8 (N, S, S); a few per cent of them may show real defects.
        progress: gets the number of finished steps.
    """
    rng = np.random.default_rng(seed)
    side = min(_SIDE, pictures.shape[1] // CELL * CELL)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        finder = Finder()
    finder = finder.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(finder.parameters(), _RATE, weight_decay=_DECAY)
    for step in range(1, steps + 1):
        rate = min(1.0, step / _WARM_UP) * (0.01 + (1 + math.cos(math.pi * step / steps)) / 2)
        for group in optimizer.param_groups:
            group["lr"] = _RATE * rate
        views, masks = _batch(pictures, side, rng)
        loss = _loss(finder(views)[1], masks)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types there
        optimizer.step()
        progress(step)
    return finder.eval().to(memory_format=torch.contiguous_format).requires_grad_(False)


def _loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Binary cross-entropy of the cells. Cells that a defect hardly covers, or only touches, do not count."""
    covered = nn.functional.avg_pool2d(masks, CELL)[:, 0] > _SHARE
    clear = nn.functional.max_pool2d(masks, CELL + 3, CELL, 2)[:, 0] == 0
    clear = clear[:, : logits.shape[1], : logits.shape[2]]
    weights = _WEIGHT * covered.float() + (clear & ~covered).float()
    losses = nn.functional.binary_cross_entropy_with_logits(logits, covered.float(), reduction="none")
    return (losses * weights).sum() / weights.sum()


def _batch(pictures: Pictures, side: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Views (N, 1, S, S), 0 to 1, and where defects were planted in them."""
    views = np.empty((_BATCH, side, side), np.float32)
    masks = np.zeros((_BATCH, side, side), np.float32)
    for i in range(_BATCH):
        view = _part(pictures, side, rng)
        if rng.random() < _PLANTED:
            for _ in range(int(rng.integers(1, _MOST + 1))):
                view, mask = plant(view, _part(pictures, side, rng), rng)
                masks[i][mask] = 1
        views[i] = np.clip(view * rng.uniform(0.75, 1.25) + rng.uniform(-10, 10), 0, 255)
    return torch.from_numpy(views)[:, None] / 255, torch.from_numpy(masks)[:, None]


def _part(pictures: Pictures, size: int, rng: np.random.Generator) -> Floats:
    """A random part of a random view, mirrored, its scale changed by at most a sixth."""
    whole = pictures[rng.integers(len(pictures))]
    side = min(round(size * float(np.exp(rng.uniform(-0.15, 0.15)))), *whole.shape)
    top, left = (int(rng.integers(length - side + 1)) for length in whole.shape)
    part = whole[top : top + side, left : left + side]
    if side != size:
        part = cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)
    flips = [(slice(None), slice(None, None, -1))[int(rng.integers(2))] for _ in range(2)]
    return np.ascontiguousarray(part[flips[0], flips[1]]).astype(np.float32)
