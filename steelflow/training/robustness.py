"""The same images under worse light, in noise and in motion: does the model still know them?

The conditions are those of the robustness table of CASI-Net (luminance, noise, motion blur), plus defocus. They are
applied to the picture as the camera gave it, before the resize; the constants the paper leaves open are in the code.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Pictures = npt.NDArray[np.uint8]  # (N, H, W)
Condition = Callable[[Pictures, np.random.Generator], Pictures]


def luminance(factor: float) -> Condition:
    """Every pixel times ``factor``, clipped."""
    return lambda pictures, _: _to_uint8(pictures.astype(np.float32) * factor)


def gaussian_noise(snr_db: float) -> Condition:
    """White noise with σ = rms(picture) · 10^(−SNR / 20)."""

    def apply(pictures: Pictures, rng: np.random.Generator) -> Pictures:
        x = pictures.astype(np.float32)
        sigma = np.sqrt((x**2).mean((1, 2), keepdims=True)) * 10 ** (-snr_db / 20)
        return _to_uint8(x + sigma * rng.standard_normal(x.shape, dtype=np.float32))

    return apply


def motion_blur(length: int) -> Condition:
    """Mean over ``length`` neighbouring pixels of a row."""
    return lambda pictures, _: np.stack([cv2.blur(p, (length, 1), borderType=cv2.BORDER_REPLICATE) for p in pictures])


def defocus(sigma: float) -> Condition:
    """Gaussian blur, ``sigma`` in pixels."""
    return lambda pictures, _: np.stack([cv2.GaussianBlur(p, (0, 0), sigma) for p in pictures])


CONDITIONS: dict[str, Condition] = {
    "luminance -40 %": luminance(0.6),
    "luminance +40 %": luminance(1.4),
    "noise 20 dB": gaussian_noise(20),
    "noise 35 dB": gaussian_noise(35),
    "motion blur 2": motion_blur(2),
    "motion blur 5": motion_blur(5),
    "defocus 1.5": defocus(1.5),
}


def _to_uint8(x: npt.NDArray[np.float32]) -> Pictures:
    return np.rint(x).clip(0, 255).astype(np.uint8)
