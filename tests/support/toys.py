"""Images that a small network learns in seconds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from steelflow.config import Settings
from steelflow.labels import Label, open_labels
from steelflow.training.augment import Augmentation
from steelflow.training.recipe import Recipe

PLAIN = Recipe(epochs=6, batch_size=8, augmentation=Augmentation(shift=0, blur=0, share=0))


def stripes(vertical: bool, rng: np.random.Generator, height: int = 40, width: int = 40) -> np.ndarray:
    """An easy image: stripes in one of two directions, with random phase, period and noise."""
    along = np.arange(width)[None, :] if vertical else np.arange(height)[:, None]
    wave = 128 + 60 * np.sin(along / rng.uniform(1.0, 1.6) + rng.uniform(0, 6)) + rng.normal(0, 10, (height, width))
    return wave.clip(0, 255).astype(np.uint8)


def write(root: Path, per_class: int = 16, sizes: tuple[int, ...] = (40,)) -> Path:
    rng = np.random.default_rng(0)
    for name in ("across", "along"):
        (root / name).mkdir(parents=True)
        for i in range(per_class):
            side = sizes[i % len(sizes)]
            cv2.imwrite(str(root / name / f"{i:03}.png"), stripes(name == "along", rng, side, side + 3 * (i % 2)))
    return root


def label_stripes(settings: Settings, count: int, seed: int = 0) -> None:
    """``count`` labelled images of each direction."""
    labels, rng = open_labels(settings), np.random.default_rng(seed)
    said = []
    for name in ("across", "along"):
        for _ in range(count):
            _, data = cv2.imencode(".png", stripes(name == "along", rng))
            said.append(Label(labels.images.put(data.tobytes()), name, "ann", "import"))
    labels.add(said, new_classes=("across", "along"))
