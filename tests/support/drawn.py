"""Small pictures with drawn defects, for tests of annotations."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def picture(path: Path, seed: int = 0, height: int = 48, width: int = 64, defect: bool = False) -> Path:
    """A grey picture of noise; with ``defect``, a dark box at x 10 to 19, y 20 to 29."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.random.default_rng(seed).integers(100, 200, (height, width), dtype=np.uint8)
    if defect:
        grey[20:30, 10:20] = 10
    assert cv2.imwrite(str(path), grey)
    return path


def mask(path: Path, height: int = 48, width: int = 64, value: int = 255) -> Path:
    """0 but for the box at x 10 to 19, y 20 to 29."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = np.zeros((height, width), np.uint8)
    found[20:30, 10:20] = value
    assert cv2.imwrite(str(path), found)
    return path
