"""Fit a model of good strip on views without labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from steelflow.begin.bank import BANK, core_set, in_chunks, random_set, sample_cells
from steelflow.begin.features import cell_features
from steelflow.begin.threshold import LEFT_OUT, threshold
from steelflow.begin.views import Views
from steelflow.errors import DataError
from steelflow.models.good_strip import CLASSES, GOOD, GoodStrip
from steelflow.models.novelty import Novelty
from steelflow.models.spec import ModelSpec
from steelflow.training.novelty import fit_novelty

NAME = "begin"
FALSE_ALARMS = 0.005
_FEWEST = 40  # views
_HELD_OUT = 0.25  # of the groups
_SMOOTH = 1.0  # sharpness of the pooling, per standard deviation of the cells' distances
_DIMS = 16  # of the embedding

Indices = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The model with its spec and novelty limits. ``left_out`` of the ``trained`` views deviated most and are not in
    the bank; the threshold is from ``held_out`` views, of other coils if ``by_group``."""

    model: GoodStrip
    spec: ModelSpec
    novelty: Novelty
    trained: int
    left_out: int
    held_out: int
    by_group: bool


@torch.no_grad()
def fit(
    views: Views,
    *,
    false_alarms: float = FALSE_ALARMS,
    pretrained: Path | None = None,
    left_out: float = LEFT_OUT,
    seed: int = 0,
) -> Fitted:
    """Fit on ``views``; the share ``left_out`` of them that deviates most is taken for defective.

    The model's operating point is 0.5: there a share ``false_alarms`` of good views is above it.

    Raises:
        DataError: there are too few views.
        ModelError: ``pretrained`` cannot be used.
    """
    if len(views.pictures) < _FEWEST:
        raise DataError(
            f"{len(views.pictures)} views: at least {_FEWEST} are needed to learn good strip; name more nights or lines"
        )
    rng = torch.Generator().manual_seed(seed)
    training, held_out, by_group = _parts(views.groups, seed)
    images = torch.from_numpy(views.pictures)[:, None]
    spec = _spec(views)
    few = images[training[:: max(1, len(training) // 64)]]
    model = _untrained(cell_features(pretrained, (few.float() / 255 - spec.mean) / spec.std), spec)
    cells = torch.cat([model.network((part.float() / 255 - spec.mean) / spec.std) for part in in_chunks(images)])
    kept = _typical(model, cells[training], left_out, rng)
    good = cells[training][kept]
    _fill(model, sample_cells(good, rng), rng, usual=False)
    distances = _distances(model, cells)
    of_good = distances[training][kept]
    model.sharpness = _SMOOTH / max(float(of_good.std()), 1e-6)
    scores = _pooled(distances, model.sharpness)
    model.middle = threshold(scores[held_out].numpy(), false_alarms, left_out)
    low, high = np.quantile(scores[held_out].numpy(), (0.25, 0.75))
    model.spread = max(float(high - low) / 1.349, 1e-6)  # a normal distribution's standard deviation
    model.sharpness *= model.spread
    _project(model, cells[training][kept])
    logits, embedding = _outputs(model, images[training][kept])
    novelty = fit_novelty(embedding, logits, np.zeros(len(logits), np.int64), seed)
    spec = spec.model_copy(update={"sharpness": model.sharpness})
    return Fitted(model.eval(), spec, novelty, len(training), len(training) - len(kept), len(held_out), by_group)


def _spec(views: Views) -> ModelSpec:
    return ModelSpec(
        name=NAME,
        arch=NAME,
        classes=CLASSES,
        input_size=views.pictures.shape[-1],
        embedding_dims=_DIMS,
        good=(GOOD,),
        operating_point=0.5,
        view=views.side,
        sharpness=1.0,
    )


def _untrained(features: torch.nn.Module, spec: ModelSpec) -> GoodStrip:
    width = features(torch.zeros(1, 1, spec.input_size, spec.input_size)).shape[1]
    return GoodStrip(
        features,
        mean=spec.mean,
        std=spec.std,
        bank=torch.zeros(1, width),
        centre=torch.zeros(width),
        scale=torch.ones(width),
        projection=torch.zeros(_DIMS, width),
    ).eval()


def _parts(groups: Indices, seed: int) -> tuple[Indices, Indices, bool]:
    """The views to fit on and those for the threshold, of other groups unless there are too few groups."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(np.unique(groups))
    few = len(names) < 1 / _HELD_OUT
    units = np.arange(len(groups)) if few else groups
    names = rng.permutation(len(groups)) if few else names
    held = np.isin(units, names[: max(1, round(len(names) * _HELD_OUT))])
    return np.flatnonzero(~held), np.flatnonzero(held), not few


def _typical(model: GoodStrip, cells: Tensor, left_out: float, rng: torch.Generator) -> Indices:
    """The views whose cells are like those of the others: all but the share ``left_out``."""
    _fill(model, sample_cells(cells, rng), rng, usual=True)
    distances = _distances(model, cells)
    scores = _pooled(distances, _SMOOTH / max(float(distances.std()), 1e-6)).numpy()
    return np.sort(np.argsort(scores, kind="stable")[: len(scores) - round(left_out * len(scores))])


def _fill(model: GoodStrip, cells: Tensor, rng: torch.Generator, *, usual: bool) -> None:
    model.centre, model.scale = cells.mean(0), cells.std(0).clamp(min=1e-6)
    standard = (cells - model.centre) / model.scale
    model.bank = (random_set if usual else core_set)(standard, BANK, rng)


def _distances(model: GoodStrip, cells: Tensor) -> Tensor:
    centre, scale = model.centre[:, None, None], model.scale[:, None, None]
    return torch.cat([model.distances((part - centre) / scale) for part in in_chunks(cells)])


def _pooled(distances: Tensor, sharpness: float) -> Tensor:
    scaled = sharpness * distances.flatten(1)
    return (torch.logsumexp(scaled, 1) - np.log(scaled.shape[1])) / sharpness


def _project(model: GoodStrip, cells: Tensor) -> None:
    """The embedding: leading principal components of the standardised cells."""
    flat = sample_cells(cells, torch.Generator().manual_seed(0))
    standard = ((flat - model.centre) / model.scale).double()
    _, vectors = torch.linalg.eigh(standard.T @ standard)
    directions = vectors.flip(1)[:, :_DIMS].T
    signs = directions.gather(1, directions.abs().argmax(1, keepdim=True)).sign()
    model.projection = (directions * signs).float()


def _outputs(model: GoodStrip, images: Tensor) -> tuple[Floats, Floats]:
    found = [model(part)[:2] for part in in_chunks(images)]
    logits, embedding = (torch.cat(part).numpy() for part in zip(*found, strict=True))
    return logits, embedding
