"""A contact sheet with sample pictures of each class."""

from __future__ import annotations

import cv2
import numpy as np

from steelflow.synth.camera import Camera, photograph
from steelflow.synth.textures import CLASSES, surface

_GAP = 6
_COLUMNS = 5  # pictures per class
_SIZE = 200  # pixels


def contact_sheet(camera: Camera, seed: int) -> bytes:
    """A JPEG with one row of pictures per class, in the order of ``CLASSES``."""
    rows = []
    for row, label in enumerate(CLASSES):
        rng = np.random.default_rng([seed, row])
        pictures = [photograph(surface(label, rng, _SIZE), camera, rng) for _ in range(_COLUMNS)]
        framed = [cv2.copyMakeBorder(p, 0, _GAP, 0, _GAP, cv2.BORDER_CONSTANT, value=(255,)) for p in pictures]
        rows.append(np.hstack(framed))
    return bytes(cv2.imencode(".jpg", np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 85])[1])
