"""Disturbances of the light and the sensor, on one view."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from steelflow.training.strip.crops import Pixels

_LEVELS = np.linspace(0, 1, 256, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Light:
    """The largest strength of each disturbance; a view's strength is uniform up to it."""

    gain: float = 0.35  # factor from 1 / (1 + this) to 1 + this
    brightness: float = 0.06  # added, ± this; 1 is white
    gamma: float = 0.3  # exponent from 1 / (1 + this) to 1 + this
    unevenness: float = 0.25  # factor 1 ± this from side to side, for half of the views
    noise: float = 0.02  # standard deviation, for a third of the views
    blur: float = 0.8  # standard deviation in pixels, for a fifth of the views

    def __call__(self, view: Pixels, rng: np.random.Generator) -> Pixels:
        """A disturbed view, uint8."""
        if rng.random() < 0.2 and self.blur:
            view = np.asarray(cv2.GaussianBlur(view, (0, 0), max(0.05, float(rng.uniform(0, self.blur)))), np.uint8)
        exponent, factor = (float(np.exp(rng.uniform(-1, 1) * np.log1p(s))) for s in (self.gamma, self.gain))
        levels = _LEVELS**exponent * factor + rng.uniform(-self.brightness, self.brightness)
        found = np.asarray(cv2.LUT(view, np.clip(levels * 255 + 0.5, 0, 255).astype(np.uint8)), np.uint8)
        if rng.random() < 0.5 and self.unevenness:
            down, across = (np.linspace(-1, 1, n, dtype=np.float32) for n in view.shape)
            slope = rng.uniform(-self.unevenness, self.unevenness, 2).astype(np.float32) / 2
            field = 1 + slope[0] * down[:, None] + slope[1] * across[None]
            found = np.asarray(cv2.multiply(found, field, dtype=cv2.CV_8U), np.uint8)
        if rng.random() < 1 / 3 and self.noise:
            grain = np.empty(view.shape, np.int16)
            cv2.setRNGSeed(int(rng.integers(1 << 31)))
            cv2.randn(grain, np.zeros(1), np.full(1, rng.uniform(0, self.noise) * 255))
            found = np.asarray(cv2.add(found, grain, dtype=cv2.CV_8U), np.uint8)
        return found
