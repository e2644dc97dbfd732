"""Batches of training views: drawn anew for each step, or from a pool that a teacher has judged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from steelflow.engine import Engine
from steelflow.training.strip.draw import Drawer
from steelflow.training.strip.fit import Batch
from steelflow.training.strip.light import Light

_TOGETHER = 8


def stacked(drawer: Drawer, count: int, rng: np.random.Generator) -> Batch:
    """``count`` drawn views."""
    views = [drawer.draw(rng) for _ in range(count)]
    return Batch(
        torch.from_numpy(np.stack([view.grey for view in views])[:, None]),
        torch.from_numpy(np.stack([view.cells for view in views])).long(),
        torch.tensor([view.label for view in views]),
    )


def drawn(drawer: Drawer, count: int, seed: int) -> Callable[[int], Batch]:
    """Batches of ``count`` new views."""
    rng = np.random.default_rng(seed)
    return lambda step: stacked(drawer, count, rng)  # noqa: ARG005  every step draws on


class Pool:
    """Views that a teacher has judged once; each batch takes some, mirrors them and changes their light a little.

    The teacher sees every view once, which costs less than to run it in every step.
    """

    def __init__(self, drawer: Drawer, teacher: Engine, size: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        parts = []
        for start in range(0, size, _TOGETHER):
            some = stacked(drawer, min(_TOGETHER, size - start), self.rng)
            taught = teacher.run(some.views.numpy()).map
            assert taught is not None, "a teacher has a map"
            parts.append(some._replace(taught=torch.from_numpy(taught).half()))
        self.views, self.cells, self.labels, self.taught = (
            torch.cat([getattr(part, name) for part in parts]) for name in ("views", "cells", "labels", "taught")
        )
        self.light = Light(gain=0.1, brightness=0.02, gamma=0.1, unevenness=0.1, noise=0.01, blur=0.0)
        self.flips = drawer.augmentation.geometry.flips

    def batch(self, count: int) -> Batch:
        """``count`` views, with the teacher's cells."""
        chosen = torch.from_numpy(self.rng.integers(len(self.views), size=count))
        views, cells, taught = self.views[chosen], self.cells[chosen], self.taught[chosen].float()
        if self.flips:
            axes = [axis for axis in (-1, -2) if self.rng.random() < 0.5]
            views, cells, taught = (part.flip(axes) if axes else part for part in (views, cells, taught))
        return Batch(self._lit(views), cells, self.labels[chosen], taught)

    def _lit(self, views: Tensor) -> Tensor:
        return torch.from_numpy(np.stack([self.light(view, self.rng) for view in views[:, 0].numpy()])[:, None])
