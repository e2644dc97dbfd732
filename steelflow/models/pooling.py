"""From the map of a view to its logits: a defect anywhere in the view makes it a defect.

Per cell, d_c = z_c − log Σ_{g good} exp z_g: how much a class exceeds good. The view's logit of a defect class is the
log-mean-exp of d_c over the cells, a smooth maximum (Pinheiro and Collobert 2015, "From image-level to pixel-level
labeling with convolutional networks"). Its logits of the good classes are those of the mean cell, less their own
log-sum, so that together they count as zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def pooled(cells: Floats, good: Sequence[int], sharpness: float, seen: npt.NDArray[np.bool_] | None = None) -> Floats:
    """Logits (N, C) of views from their maps (N, C, h, w).

    Args:
        good: indices of the good classes.
        sharpness: r of (1/r)·log mean exp(r·d): 0 gives the mean over cells, a large value the maximum.
        seen: (N, h, w); cells that are False, such as those off the strip, count as surely good.
    """
    count, classes = cells.shape[:2]
    flat = cells.reshape(count, classes, -1).astype(np.float32)
    best = flat[:, good].max(axis=1, keepdims=True)
    goodness = best + np.log(np.exp(flat[:, good] - best).sum(axis=1, keepdims=True))
    scaled = np.float32(sharpness) * (flat - goodness)
    if seen is not None:
        scaled = np.where(seen.reshape(count, 1, -1), scaled, -np.inf)
    top = scaled.max(axis=2, keepdims=True)
    top = np.where(np.isfinite(top), top, np.float32(0))
    mean = np.exp(scaled - top).mean(axis=2)
    logits = (top[:, :, 0] + np.log(np.maximum(mean, 1e-30))) / np.float32(sharpness)
    means = flat[:, good].mean(axis=2)
    highest = means.max(axis=1, keepdims=True)
    logits[:, good] = means - highest - np.log(np.exp(means - highest).sum(axis=1, keepdims=True))
    return np.asarray(logits, np.float32)
