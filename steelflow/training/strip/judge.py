"""Judge whole pictures and frames as the inspection does: by their worst view."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from steelflow.frames.views import cut, grid, padded
from steelflow.models.deployable import Deployable
from steelflow.models.spec import ModelSpec
from steelflow.training.metrics import softmax
from steelflow.training.strip.crops import Floats, Pixels

OVERLAP = 0.125
_TOGETHER = 8

Run = Callable[[Pixels], tuple[Floats, Floats]]
"""Probabilities (N, C) and map (N, C, h, w) of views, uint8 (N, 1, S, S)."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A picture by its views: their places (V, 2), 1 − Σ p(good) of each, their probabilities, and those of cells."""

    height: int
    width: int
    places: list[tuple[int, int]]
    scores: Floats
    probabilities: Floats
    cells: Floats  # (V, C, h, w): probabilities of the classes in each cell

    @property
    def score(self) -> float:
        """Of the worst view."""
        return float(self.scores.max())

    @property
    def worst(self) -> int:
        return int(self.scores.argmax())


def judge(pictures: Iterable[Pixels], run: Run, spec: ModelSpec) -> Iterator[Judged]:
    """Each picture, in order; memory is that of one picture."""
    side, size = spec.view or spec.input_size, spec.input_size
    good = [spec.classes.index(name) for name in spec.good]
    for picture in pictures:
        height, width = picture.shape
        whole, places = padded(picture, side), grid(height, width, side, OVERLAP)
        views = np.empty((len(places), 1, size, size), np.uint8)
        for view, (top, left) in zip(views, places, strict=True):
            cut(whole, int(top), int(left), side, view[0])
        parts = [run(views[start : start + _TOGETHER]) for start in range(0, len(views), _TOGETHER)]
        probabilities, cells = (np.concatenate(some) for some in zip(*parts, strict=True))
        scores = np.asarray(1 - probabilities[:, good].sum(1), np.float32)
        shares = softmax(np.moveaxis(cells, 1, -1), spec.temperature)
        yield Judged(height, width, places, scores, probabilities, np.moveaxis(shares, -1, 1).astype(np.float32))


def runner(model: Deployable, spec: ModelSpec) -> Run:
    """Of a model in memory."""

    @torch.inference_mode()
    def run(views: Pixels) -> tuple[Floats, Floats]:
        device = next(model.parameters()).device
        logits, _, cells = model(torch.from_numpy(views).to(device))
        return softmax(logits.float().cpu().numpy(), spec.temperature).astype(np.float32), cells.float().cpu().numpy()

    return run
