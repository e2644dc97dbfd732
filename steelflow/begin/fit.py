"""Fit a model of good strip on views without labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from steelflow.begin.bank import BANK, core_set, in_chunks, random_set, sample_cells
from steelflow.begin.features import pretrained_features
from steelflow.begin.plan import FALSE_ALARMS, STEPS
from steelflow.begin.selftaught import teach
from steelflow.begin.threshold import LEFT_OUT, threshold
from steelflow.begin.views import Views
from steelflow.errors import DataError
from steelflow.models.good_strip import CLASSES, GOOD, Bank, Finder, GoodStrip
from steelflow.models.novelty import Novelty
from steelflow.models.spec import ModelSpec
from steelflow.training.novelty import fit_novelty

NAME = "begin"
_FEWEST = 40  # views
_HELD_OUT = 0.25  # of the groups
_SAMPLE = 64  # views on which the norms of pretrained weights are estimated
_WEIGHTS = {1: ((2.0,), 2.0), 2: ((1.0, 8.0), 0.25)}
"""By the number of banks: the weights of their distances, and the sharpness of the pooling. The finder's logits and all
distances have a deviation of one. Chosen on magnetic tiles; neighbouring values are as good (docs/day-one.md)."""

_DIMS = 16  # of the embedding

Indices = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The model with its spec and novelty limits. ``left_out`` of the ``trained`` views deviated most and are not in
    the banks; the threshold is from ``held_out`` views, of other groups if ``by_group``."""

    model: GoodStrip
    spec: ModelSpec
    novelty: Novelty
    trained: int
    left_out: int
    held_out: int
    by_group: bool


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the networks say about views: the finder's logits (N, h, w), and the blocks that each bank compares."""

    logits: Tensor
    blocks: list[Tensor]

    def only(self, views: Indices) -> _Seen:
        return _Seen(self.logits[views], [blocks[views] for blocks in self.blocks])


def fit(
    views: Views,
    *,
    false_alarms: float = FALSE_ALARMS,
    pretrained: Path | None = None,
    left_out: float = LEFT_OUT,
    steps: int = STEPS,
    seed: int = 0,
    finder: Finder | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Fitted:
    """Fit on ``views``; the share ``left_out`` of them that deviates most is taken for defective.

    The operating point is 0.5: a share ``false_alarms`` of good views is above it.

    Args:
        pretrained: weights of MobileNetV2; see ``features``.
        steps: of teaching the finder; ``progress`` gets the finished ones.
        finder: one that was taught on the same views and seed already.

    Raises:
        DataError: there are too few views.
        ModelError: ``pretrained`` cannot be used.
    """
    if len(views.pictures) < _FEWEST:
        raise DataError(
            f"{len(views.pictures)} views: at least {_FEWEST} are needed to learn good strip; name more nights or lines"
        )
    training, held_out, by_group = _parts(views.groups, seed)
    finder = finder or teach(views.pictures[training], seed, steps, progress)
    few = torch.from_numpy(views.pictures[training[:: max(1, len(training) // _SAMPLE)]])[:, None]
    extra = None if pretrained is None else pretrained_features(pretrained, (few.float() / 255 - 0.5) / 0.25)
    model = GoodStrip(finder, extra, _DIMS).eval().requires_grad_(False)
    with torch.no_grad():
        return _calibrated(model, views, training, held_out, by_group, false_alarms, left_out, seed)


def _calibrated(
    model: GoodStrip,
    views: Views,
    training: Indices,
    held_out: Indices,
    by_group: bool,
    false_alarms: float,
    left_out: float,
    seed: int,
) -> Fitted:
    rng = torch.Generator().manual_seed(seed)
    images = torch.from_numpy(views.pictures)[:, None]
    seen = _look(model, images)
    fitted = seen.only(training)
    sharpness = _WEIGHTS[len(seen.blocks)][1]
    _fill(model, fitted, rng, random_set)
    kept = training[_typical(_scores(model, fitted, sharpness), left_out)]
    _fill(model, seen.only(kept), rng, core_set)
    scores = _scores(model, seen.only(held_out), sharpness)
    low, high = np.quantile(scores, (0.25, 0.75))
    model.middle = threshold(scores, false_alarms, left_out)
    model.spread = max(float(high - low) / 1.349, 1e-3)  # the standard deviation, if they were normal
    model.sharpness = sharpness * model.spread
    _extend(model, seen.only(np.concatenate([kept, held_out[_typical(scores, left_out)]])), rng)
    _project(model, images[kept], rng)
    logits, embedding = _outputs(model, images[kept])
    novelty = fit_novelty(embedding, logits, np.zeros(len(logits), np.int64), seed)
    spec = ModelSpec(
        name=NAME,
        arch=NAME,
        classes=CLASSES,
        input_size=views.pictures.shape[-1],
        embedding_dims=_DIMS,
        good=(GOOD,),
        operating_point=0.5,
        view=views.side,
        sharpness=model.sharpness,
    )
    return Fitted(model, spec, novelty, len(training), len(training) - len(kept), len(held_out), by_group)


def _parts(groups: Indices, seed: int) -> tuple[Indices, Indices, bool]:
    """The views to fit on and those for the threshold, of other groups unless there are too few groups."""
    rng = np.random.default_rng(seed)
    by_group = len(np.unique(groups)) >= 1 / _HELD_OUT
    units = groups if by_group else np.arange(len(groups))
    names = rng.permutation(np.unique(units))
    held = np.isin(units, names[: max(1, round(len(names) * _HELD_OUT))])
    return np.flatnonzero(~held), np.flatnonzero(held), by_group


def _look(model: GoodStrip, images: Tensor) -> _Seen:
    found = [model.features(part)[1:] for part in in_chunks(images)]
    banks = range(len(found[0][1]))
    return _Seen(torch.cat([one[0] for one in found]), [torch.cat([one[1][b] for one in found]) for b in banks])


def _fill(
    model: GoodStrip, seen: _Seen, rng: torch.Generator, choose: Callable[[Tensor, int, torch.Generator], Tensor]
) -> None:
    """Fill the banks from views of good strip, and weigh the measures by their deviations on these."""
    model.finder_weight = 1 / max(float(seen.logits.std()), 1e-6)
    model.banks = torch.nn.ModuleList()
    for blocks, weight in zip(seen.blocks, _WEIGHTS[len(seen.blocks)][0], strict=True):
        cells = sample_cells(blocks, rng)
        centre, scale = cells.mean(0), cells.std(0).clamp(min=1e-6)
        bank = Bank(choose((cells - centre) / scale, BANK, rng), centre, scale)
        bank.weight = weight / max(float(torch.cat([bank(part) for part in in_chunks(blocks)]).std()), 1e-6)
        model.banks.append(bank)


def _extend(model: GoodStrip, seen: _Seen, rng: torch.Generator) -> None:
    """Choose the cells of the banks anew, from more views. The units stay, and with them the threshold: as the banks
    cover good strip slightly better, there may be slightly fewer false alarms than asked for."""
    for bank, blocks in zip(model.banks, seen.blocks, strict=True):
        assert isinstance(bank, Bank), "there is nothing else in the list"
        bank.cells = core_set((sample_cells(blocks, rng) - bank.centre) / bank.scale, BANK, rng)


def _scores(model: GoodStrip, seen: _Seen, sharpness: float) -> Floats:
    """The pooled measure of each view, (N,)."""
    parts = zip(in_chunks(seen.logits), *(in_chunks(blocks) for blocks in seen.blocks), strict=True)
    found = []
    for logits, *blocks in parts:
        distances = [bank(one) for bank, one in zip(model.banks, blocks, strict=True)]
        scaled = sharpness * model.measure(logits, distances).flatten(1)
        found.append((torch.logsumexp(scaled, 1) - np.log(scaled.shape[1])) / sharpness)
    return np.asarray(torch.cat(found).numpy(), np.float32)


def _typical(scores: Floats, left_out: float) -> Indices:
    """The views whose scores are not among the share ``left_out`` of the highest."""
    return np.sort(np.argsort(scores, kind="stable")[: len(scores) - round(left_out * len(scores))])


def _project(model: GoodStrip, images: Tensor, rng: torch.Generator) -> None:
    """The embedding: leading principal components of the finder's features in cells of good strip. The largest
    coefficient of each is positive."""
    cells = torch.cat([sample_cells(model.features(part)[0], rng, 20 * len(part)) for part in in_chunks(images)])
    centred = (cells - cells.mean(0)).double()
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    directions = vectors.flip(1)[:, :_DIMS].T
    signs = directions.gather(1, directions.abs().argmax(1, keepdim=True)).sign()
    model.projection.copy_((directions * signs).float())


def _outputs(model: GoodStrip, images: Tensor) -> tuple[Floats, Floats]:
    found = [model(part)[:2] for part in in_chunks(images)]
    logits, embedding = (torch.cat(part).numpy() for part in zip(*found, strict=True))
    return logits, embedding
