"""Batches of training views: drawn anew for each step, or from a pool that a teacher has judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from steelflow.engine import Engine
from steelflow.training.strip.draw import Drawer
from steelflow.training.strip.light import Light
from steelflow.training.strip.mined import Mined

_TOGETHER = 8


class Batch(NamedTuple):
    """Views uint8 (N, 1, S, S), classes of their cells (N, h, w), of the views (N,), their numbers (N,) by which their
    errors are noted, and a teacher's cells or None."""

    views: Tensor
    cells: Tensor
    labels: Tensor
    numbers: Tensor
    taught: Tensor | None = None


class Batches(Protocol):
    """Where the views of a training come from. ``rng`` and the errors in ``mined`` are all that changes."""

    rng: np.random.Generator
    mined: Mined

    def batch(self, count: int) -> Batch:
        """The next ``count`` views."""

    def note(self, numbers: Sequence[int], errors: Sequence[float]) -> None:
        """How wrong the model was on views of the last batch; they come more often if it was."""


def stacked(drawer: Drawer, count: int, rng: np.random.Generator) -> Batch:
    """``count`` drawn views, numbered by their pictures."""
    views = [drawer.draw(rng) for _ in range(count)]
    return Batch(
        torch.from_numpy(np.stack([view.grey for view in views])[:, None]),
        torch.from_numpy(np.stack([view.cells for view in views])).long(),
        torch.tensor([view.label for view in views]),
        torch.tensor([view.number for view in views]),
    )


class Drawn:
    """New views for every step."""

    def __init__(self, drawer: Drawer, seed: int) -> None:
        self.drawer, self.mined, self.rng = drawer, drawer.mined, np.random.default_rng(seed)

    def batch(self, count: int) -> Batch:
        return stacked(self.drawer, count, self.rng)

    def note(self, numbers: Sequence[int], errors: Sequence[float]) -> None:
        self.mined.note(numbers, errors)


class Pool:
    """Views that a teacher judges once, when the first are needed; each batch takes some, the hard ones more often,
    mirrors them and changes their light a little.

    To run the teacher in every step would cost more.
    """

    def __init__(self, drawer: Drawer, teacher: Engine, size: int, seed: int) -> None:
        self.drawer, self.teacher, self.size = drawer, teacher, size
        self.making, self.rng = (np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(2))
        self.mined = Mined(range(size))
        self.kept: Batch | None = None
        self.light = Light(gain=0.1, brightness=0.02, gamma=0.1, unevenness=0.1, noise=0.01, blur=0.0)
        self.flips = drawer.augmentation.geometry.flips

    def _made(self) -> Batch:
        parts = []
        for start in range(0, self.size, _TOGETHER):
            some = stacked(self.drawer, min(_TOGETHER, self.size - start), self.making)
            taught = self.teacher.run(some.views.numpy()).map
            assert taught is not None, "a teacher has a map"
            parts.append((*some[:3], torch.from_numpy(taught).half()))
        views, cells, labels, cells_taught = (torch.cat(part) for part in zip(*parts, strict=True))
        return Batch(views, cells.to(torch.uint8), labels, torch.arange(self.size), cells_taught)

    def batch(self, count: int) -> Batch:
        """``count`` views, with the teacher's cells, numbered by their place in the pool."""
        self.kept = kept = self.kept or self._made()
        assert kept.taught is not None, "the teacher judged them"
        chosen = torch.tensor([self.mined.any(self.rng) for _ in range(count)])
        views, cells, taught = kept.views[chosen], kept.cells[chosen].long(), kept.taught[chosen].float()
        if self.flips:
            axes = [axis for axis in (-1, -2) if self.rng.random() < 0.5]
            views, cells, taught = (part.flip(axes) if axes else part for part in (views, cells, taught))
        return Batch(self._lit(views), cells, kept.labels[chosen], chosen, taught)

    def note(self, numbers: Sequence[int], errors: Sequence[float]) -> None:
        self.mined.note(numbers, errors)

    def _lit(self, views: Tensor) -> Tensor:
        return torch.from_numpy(np.stack([self.light(view, self.rng) for view in views[:, 0].numpy()])[:, None])
