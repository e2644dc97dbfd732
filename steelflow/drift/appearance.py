"""Images that look like no image of the reference. A new defect shows in how it looks before any class shows it.

An image is a point of three figures: brightness, log contrast and log sharpness, whitened by the reference's
covariance. It is unfamiliar if its distance to the third nearest image of the reference exceeds a limit. 98 % of the
reference's own images stay within that limit. Their distances leave out images of the same coil, which are alike, and
copies of the same picture.

This has two advantages over the model's own novelty: it does not need a model that handles unseen images well, and it
gives the same result for images that the model was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Groups = npt.NDArray[np.intp]

_NEIGHBOUR = 3
_FAMILIAR = 0.98  # share of the reference's own images
_BATCH = 512
_FLOOR = np.array([4.0, 0.1, 0.1])  # σ below which a figure counts as constant
_RIDGE = 1e-3
_HALF = 2.0**-24  # of the last digit: a distance is a root that was rounded
_SAME = 1e-5  # squared distance: points that are closer are copies of one picture


class Appearance:
    """The reference's images as points.

    Args:
        points: brightness, log contrast and log sharpness of each image (N, 3).
        groups: the coil of each image (N,); images of one coil are alike.
    """

    def __init__(self, points: Floats, groups: Groups) -> None:
        self._centre, self._scale = points.mean(0), np.maximum(points.std(0), _FLOOR)
        standard = (points - self._centre) / self._scale
        covariance = standard.T @ standard / len(points) + _RIDGE * np.eye(3)
        self._whitening = np.linalg.cholesky(np.linalg.inv(covariance))
        _, first, self.pictures = np.unique(points, axis=0, return_index=True, return_inverse=True)
        """The number of the distinct picture that each image of the reference shows (N,), from 0."""
        self.distinct = len(first)
        self._known, self._groups = self._whitened(points[first]), groups[first]
        distances = self._distances(self._known, self._groups)
        self._limit = float(np.quantile(distances[self.pictures], _FAMILIAR, method="higher"))
        self.own: npt.NDArray[np.bool_] = distances > self._limit
        """Whether each distinct picture of the reference is unfamiliar to the others."""

    def unfamiliar(self, points: Floats) -> npt.NDArray[np.bool_]:
        """Whether each of these images is unfamiliar: points (M, 3) to booleans (M,).

        It counts who is within the limit. That is three times as fast as to find the third nearest.
        """
        least, limit = self._nearest + 1, np.float32((self._limit * (1 + _HALF)) ** 2)
        counts = [np.count_nonzero(squared <= limit, axis=1) for squared in self._squared(self._whitened(points))]
        return np.concatenate(counts) < least

    def _whitened(self, points: Floats) -> npt.NDArray[np.float32]:
        return np.asarray((points - self._centre) / self._scale @ self._whitening, np.float32)

    @property
    def _nearest(self) -> int:
        return min(_NEIGHBOUR, self.distinct) - 1

    def _distances(self, points: npt.NDArray[np.float32], groups: Groups) -> npt.NDArray[np.float32]:
        """Distance to the third nearest known picture of another group (N,)."""
        at = self._nearest
        found = [np.partition(squared, at, axis=1)[:, at] for squared in self._squared(points, groups)]
        return np.asarray(np.sqrt(np.concatenate(found)), np.float32)

    def _squared(
        self, points: npt.NDArray[np.float32], groups: Groups | None = None
    ) -> Iterator[npt.NDArray[np.float32]]:
        """Squared distances to the known pictures (batch, known), in batches: the whole matrix would not fit into
        memory. Copies, and pictures of the same group, are infinitely far."""
        norms = (self._known**2).sum(1)
        for start in range(0, len(points), _BATCH):
            part = points[start : start + _BATCH]
            squared = (part**2).sum(1)[:, None] + norms - 2 * part @ self._known.T
            squared[squared < _SAME] = np.inf
            if groups is not None:
                squared[groups[start : start + _BATCH, None] == self._groups] = np.inf
            yield squared
