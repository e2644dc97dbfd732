"""Models that know good classes, and images that no model knows."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx

from steelflow.models.shipped import resolve
from steelflow.models.spec import METADATA_KEY


def with_good(path: Path, *good: str, **fields: object) -> Path:
    """The model that ships, with good classes (and other fields) in its spec."""
    model = onnx.load(resolve("steelnet"))
    (spec,) = (prop for prop in model.metadata_props if prop.key == METADATA_KEY)
    spec.value = json.dumps({**json.loads(spec.value), "good": list(good), **fields})
    onnx.save(model, path)
    return path


def noise(folder: Path, count: int, seed: int = 0) -> Path:
    """Images of noise: most of them are novel to the models that ship."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        picture = rng.integers(0, 2, (64, 64), dtype=np.uint8) * 255
        cv2.imwrite(str(folder / f"{number:04d}.png"), picture)
    return folder
