"""How far the embeddings moved: Fréchet distance over the total variance of the reference."""

from __future__ import annotations

import numpy as np

from steelflow.drift.distances import Floats, frechet_distance
from steelflow.drift.signals.base import Observed, Resampling, Signal
from steelflow.drift.signals.rows import LineRows


class Embedding(Signal):
    """Without drift: 0.05, and 0.10 in an unbalanced halving."""

    name = "embedding"
    family = "embedding"
    unit = "variance of the reference"
    threshold = 0.15
    column = "energy"

    def __init__(self, reference: LineRows) -> None:
        self._before = _embedding(reference)

    def observe(self, night: LineRows) -> Observed | None:
        before, now = self._before, _embedding(night)
        if before is None or now is None or now.shape[1] != before.shape[1]:
            return None
        value = float(_frechet(_moments(before), _moments(now))[0])
        return Observed(value=value, text=f"embeddings moved by {value:.2f} of their variance")

    def resampling(self, images: int) -> Resampling | None:
        if self._before is None:
            return None
        centred = self._before - self._before.mean(0)
        return Resampling(features=_products(centred), statistic=_frechet)


def _embedding(rows: LineRows) -> Floats | None:
    """(N, E); None if there are none, or if models of different widths made them."""
    embedding = rows.frame["embedding"]
    widths = embedding.list.len()
    if len(rows) == 0 or widths.null_count() or widths.n_unique() != 1:
        return None
    return embedding.list.explode().to_numpy().astype(np.float64).reshape(len(rows), -1)


def _products(embedding: Floats) -> Floats:
    """First and second moments of each image: (N, E) to (N, E + E (E + 1) / 2)."""
    row, column = np.triu_indices(embedding.shape[1])
    return np.concatenate([embedding, embedding[:, row] * embedding[:, column]], 1)


def _moments(embedding: Floats) -> Floats:
    """Mean first and second moments of all images: (N, E) to (1, E + E (E + 1) / 2)."""
    row, column = np.triu_indices(embedding.shape[1])
    second = embedding.T @ embedding / len(embedding)
    return np.concatenate([embedding.mean(0), second[row, column]])[None]


def _frechet(reference: Floats, current: Floats) -> Floats:
    """Fréchet distances (B,) between mean moments (B, E + E (E + 1) / 2), over the reference's total variance."""
    mean_1, covariance_1 = _gaussian(reference)
    mean_2, covariance_2 = _gaussian(current)
    total = np.trace(covariance_1, axis1=-2, axis2=-1).clip(1e-12)
    return np.asarray(frechet_distance(mean_1, covariance_1, mean_2, covariance_2) / total)


def _gaussian(moments: Floats) -> tuple[Floats, Floats]:
    """Means (B, E) and covariances (B, E, E) of mean moments."""
    dims = round((np.sqrt(9 + 8 * moments.shape[1]) - 3) / 2)
    row, column = np.triu_indices(dims)
    second = np.empty((len(moments), dims, dims))
    second[:, row, column] = second[:, column, row] = moments[:, dims:]
    mean = moments[:, :dims]
    return mean, second - mean[:, :, None] * mean[:, None, :]
