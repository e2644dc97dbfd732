"""Pictures that show the same piece of steel: another exposure, another crop of the camera, or turned over.

A data set may hold a tile several times under different names. If one picture of it is trained on and another is held
out, the model is tested on what it has seen, and its figures are too good.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

from steelflow.images.decode import Grey

ALIKE = 0.7
"""Correlation of two thumbnails above which pictures belong together. Pairs of magnetic tiles above it are one tile
in other light; below 0.6 most are not."""

MOST = 20_000
"""Pictures among which lookalikes are searched: the time grows with the square of their number."""

_LONG, _SHORT = 112, 56  # pixels of a thumbnail
_LIGHT = 6.0  # sigma of the light that is taken out, pixels of the thumbnail
_EDGE = 6  # pixels at the border that are left out: every tile has an edge there
_CLIP = 3.0  # standard deviations
_BLOCK = 1024  # pictures that are compared with all others at a time

Floats = npt.NDArray[np.float32]


def thumbnail(grey: Grey) -> Floats:
    """The fine structure of a picture (H, W), upright, with mean 0 and length 1: (100, 44). All zero if it is flat."""
    tall = grey if grey.shape[0] >= grey.shape[1] else np.ascontiguousarray(grey.T)
    small = cv2.resize(tall.astype(np.float32), (_SHORT, _LONG), interpolation=cv2.INTER_AREA)
    fine = np.asarray(small - cv2.GaussianBlur(small, (0, 0), _LIGHT), np.float32)[_EDGE:-_EDGE, _EDGE:-_EDGE]
    spread = float(fine.std())
    if spread < 1e-3:
        return np.zeros_like(fine)
    clipped = fine.clip(-_CLIP * spread, _CLIP * spread)
    centred = clipped - clipped.mean()
    return np.asarray(centred / np.sqrt((centred**2).sum()), np.float32)


def lookalikes(thumbnails: Iterable[Floats]) -> list[tuple[int, int]]:
    """Pairs of pictures, by index, whose thumbnails correlate above ``ALIKE``, also mirrored or turned by 180°."""
    found = np.stack(list(thumbnails))
    flat = found.reshape(len(found), -1)
    pairs: set[tuple[int, int]] = set()
    for start in range(0, len(found), _BLOCK):
        block = found[start : start + _BLOCK]
        for turned in (block, block[:, ::-1], block[:, :, ::-1], block[:, ::-1, ::-1]):
            alike = turned.reshape(len(block), -1) @ flat.T
            for one, other in np.argwhere(alike > ALIKE).tolist():
                if start + one < other:
                    pairs.add((start + one, other))
    return sorted(pairs)
