"""Brushed sheet metal without labels: good pictures, and pictures with a defect whose place is known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIDE = 96

Picture = np.ndarray


def brushed(rng: np.random.Generator, height: int = SIDE, width: int = SIDE) -> Picture:
    """Grey with vertical brush marks, a little noise, and light that differs from picture to picture."""
    marks = rng.normal(0, 9, (1, width)) + cv2.GaussianBlur(rng.normal(0, 20, (height, width)), (1, 25), 0)
    light = rng.uniform(100, 150) + rng.normal(0, 8) * np.linspace(-1, 1, height)[:, None]
    return np.asarray((light + marks + rng.normal(0, 3, (height, width))).clip(0, 255), np.uint8)


def hole(picture: Picture, row: int, column: int, radius: int = 7) -> Picture:
    """The picture with a dark hole at this place."""
    changed = picture.copy()
    cv2.circle(changed, (column, row), radius, 25, -1)
    return cv2.GaussianBlur(changed, (0, 0), 0.8)


def crack(picture: Picture, row: int, rng: np.random.Generator) -> Picture:
    """The picture with a dark crack across the brush marks."""
    changed, width = picture.copy(), picture.shape[1]
    points = [[x, row + int(rng.normal(0, 3))] for x in range(10, width - 10, 8)]
    cv2.polylines(changed, [np.array(points, np.int32)], False, 30, 2)
    return changed


def write_frames(folder: Path, count: int, rng: np.random.Generator, height: int = 128, width: int = 320) -> Path:
    """Frames of five coils as ``coil=C0/000.png``; the first one of the last coil has a hole."""
    for i in range(count):
        coil = folder / f"coil=C{i % 5}"
        coil.mkdir(parents=True, exist_ok=True)
        picture = brushed(rng, height, width)
        cv2.imwrite(str(coil / f"{i:03}.png"), hole(picture, 60, 200) if i == 4 else picture)
    return folder
