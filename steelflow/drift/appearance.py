"""Images that look like none of the reference: a defect that is new shows in how it looks before any class tells.

An image is a point of three figures: brightness, log contrast and log sharpness, whitened by the reference's
covariance. It is unfamiliar when the third nearest image of the reference is farther away than it is for all but 2 % of
the reference's own images, those of the same coil left out (they are alike), and copies of the image itself.

Beside the model's own novelty this has two merits: it needs no model that is good at what it never saw, and it is
the same for images that the model was trained on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Groups = npt.NDArray[np.intp]

_NEIGHBOUR = 3
_FAMILIAR = 0.98  # of the reference's own images
_BATCH = 512
_FLOOR = np.array([4.0, 0.1, 0.1])  # σ below which a figure counts as constant
_RIDGE = 1e-3
_SAME = 1e-5  # squared distance: figures that agree so far are those of one picture


class Appearance:
    """Fitted on points (N, 3) of the reference and the group of each (N,): images of one group are alike."""

    def __init__(self, points: Floats, groups: Groups) -> None:
        self._centre, self._scale = points.mean(0), np.maximum(points.std(0), _FLOOR)
        standard = (points - self._centre) / self._scale
        covariance = standard.T @ standard / len(points) + _RIDGE * np.eye(3)
        self._whitening = np.linalg.cholesky(np.linalg.inv(covariance))
        _, first, self.pictures = np.unique(points, axis=0, return_index=True, return_inverse=True)
        """The picture that each image of the reference is a copy of, as a number from 0."""
        self.distinct = len(first)
        self._known, self._groups = self._whitened(points[first]), groups[first]
        distances = self._distances(self._known, self._groups)
        self._limit = float(np.quantile(distances[self.pictures], _FAMILIAR, method="higher"))
        self.own: npt.NDArray[np.bool_] = distances > self._limit
        """Which pictures of the reference are unfamiliar to the others."""

    def unfamiliar(self, points: Floats) -> npt.NDArray[np.bool_]:
        """Of images (N, 3), not of the reference: (N,)."""
        return self._distances(self._whitened(points)) > self._limit

    def _whitened(self, points: Floats) -> npt.NDArray[np.float32]:
        return np.asarray((points - self._centre) / self._scale @ self._whitening, np.float32)

    def _distances(self, points: npt.NDArray[np.float32], groups: Groups | None = None) -> npt.NDArray[np.float32]:
        """To the nearest but two, (N,), a batch at a time: the whole matrix would not fit into memory."""
        norms = (self._known**2).sum(1)
        nearest = min(_NEIGHBOUR, len(norms)) - 1
        found = []
        for start in range(0, len(points), _BATCH):
            part = points[start : start + _BATCH]
            squared = (part**2).sum(1)[:, None] + norms - 2 * part @ self._known.T
            squared[squared < _SAME] = np.inf
            if groups is not None:
                squared[groups[start : start + _BATCH, None] == self._groups] = np.inf
            found.append(np.partition(squared, nearest, axis=1)[:, nearest])
        return np.asarray(np.sqrt(np.concatenate(found)), np.float32)
