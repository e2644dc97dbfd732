"""Fit the novelty limits of a model on its training images; see ``models.novelty``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from steelflow.models.novelty import Novelty, energy

_CENTRES = 8  # per class; fewer if the class has few images
_IMAGES_PER_CENTRE = 10
_ROUNDS = 25
_SHRINKAGE = 0.1  # towards a sphere: otherwise directions with little variance would weigh too much
_QUANTILE = 0.995  # of the training images; about 2 % of held-out images exceed one of the two limits

Floats = npt.NDArray[np.float32]


def fit_novelty(embedding: Floats, logits: Floats, labels: npt.NDArray[np.int64], seed: int = 0) -> Novelty:
    """Fit on embedding (N, E), logits (N, C) and labels (N,) of the training images without augmentation.

    The centres come from k-means within each class. Σ is the covariance about the centres, shrunk by a tenth of its
    mean variance.
    """
    rng = np.random.default_rng(seed)
    embedding = embedding.astype(np.float64)
    centres, residuals = [], []
    for label in np.unique(labels):
        members = embedding[labels == label]
        found, nearest = _k_means(members, min(_CENTRES, max(1, len(members) // _IMAGES_PER_CENTRE)), rng)
        centres.append(found)
        residuals.append(members - found[nearest])
    spread = np.concatenate(residuals)
    covariance = spread.T @ spread / len(spread)
    dims = len(covariance)
    ridge = max(_SHRINKAGE * np.trace(covariance) / dims, 1e-12)
    whitening = np.linalg.cholesky(np.linalg.inv(covariance + ridge * np.eye(dims)))
    raw = Novelty(np.concatenate(centres).astype(np.float32), whitening.astype(np.float32), 1.0, np.inf)
    distance = float(np.quantile(raw.distance(embedding.astype(np.float32)), _QUANTILE))
    return Novelty(raw.centres, raw.whitening, max(distance, 1e-6), float(np.quantile(energy(logits), _QUANTILE)))


def _k_means(
    points: npt.NDArray[np.float64], k: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Lloyd's algorithm. Returns the centres (k, E) and the index of the nearest centre for each point."""
    centres = points[rng.choice(len(points), k, replace=False)]
    for _ in range(_ROUNDS):
        nearest = ((points[:, None] - centres) ** 2).sum(2).argmin(1)
        for j in range(k):
            if (nearest == j).any():
                centres[j] = points[nearest == j].mean(0)
    return centres, ((points[:, None] - centres) ** 2).sum(2).argmin(1)
