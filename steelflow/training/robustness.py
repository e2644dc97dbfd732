"""Robustness: accuracy on disturbed images (light, noise, motion, rotation, compression).

The first six conditions are the columns of Table 1 of CASI-Net (Mathematics 10, 2022, 963); the others are ours. All
act on the camera's picture I(x, y), before the resize; the result is rounded and clipped to 0…255. Random parts (noise,
the side of the light, the direction of a rotation) are drawn separately for each picture.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Pictures = npt.NDArray[np.uint8]  # (N, H, W)
Condition = Callable[[Pictures, np.random.Generator], Pictures]


def uneven_light(amplitude: float) -> Condition:
    """I'(x, y) = I(x, y) · (1 + a·t): t rises linearly from −1 at one side of the picture to 1 at the other.

    CASI-Net calls it "severe non-uniform illumination" and names its columns "luminance (α ± 0.4)" and "(α ± 1)". Our
    reading: α is the luminance relative to the original picture, 1 in the middle; ± 1 goes from black to double. The
    paper gives no formula, shape or direction; we choose the bright side at random for each picture. A uniform change
    of the whole picture is impossible: at α − 1 the picture would be black.
    """

    def light(side: int, height: int, width: int) -> npt.NDArray[np.float32]:
        t = np.linspace(-1, 1, (width, height)[side // 2], dtype=np.float32)
        gain = 1 + np.float32(amplitude) * (t if side % 2 else -t)
        return gain[:, None] if side // 2 else gain

    def apply(pictures: Pictures, rng: np.random.Generator) -> Pictures:
        sides = rng.integers(4, size=len(pictures))
        return np.stack([_to_uint8(p * light(side, *p.shape)) for p, side in zip(pictures, sides, strict=True)])

    return apply


def gaussian_noise(snr_db: float) -> Condition:
    """I' = I + n with white Gaussian n of σ = rms(I) · 10^(−SNR / 20), so SNR = 10 · log₁₀(mean(I²) / σ²).

    CASI-Net gives the ratio in dB and no formula. We include the mean in the signal power, as is usual in
    communications. Without the mean (var(I) instead of mean(I²)), the same ratio would give less noise.
    """

    def apply(pictures: Pictures, rng: np.random.Generator) -> Pictures:
        x = pictures.astype(np.float32)
        sigma = np.sqrt((x**2).mean((1, 2), keepdims=True)) * 10 ** (-snr_db / 20)
        return _to_uint8(x + sigma * rng.standard_normal(x.shape, dtype=np.float32))

    return apply


def motion_blur(length: int) -> Condition:
    """I'(x, y) = mean of I over ``length`` neighbouring pixels of the row; edge pixels are repeated outside.

    CASI-Net gives the "length of camera motion", 2 and 5, and no direction. Ours is along the rows.
    """

    def blurred(picture: npt.NDArray[np.uint8]) -> Pictures:
        exact = picture.astype(np.float32)  # OpenCV's mean of bytes is sometimes off by one
        return _to_uint8(np.asarray(cv2.blur(exact, (length, 1), borderType=cv2.BORDER_REPLICATE), dtype=np.float32))

    return lambda pictures, _: np.stack([blurred(p) for p in pictures])


def luminance(factor: float) -> Condition:
    """I' = factor · I."""
    return lambda pictures, _: _to_uint8(pictures.astype(np.float32) * factor)


def defocus(sigma: float) -> Condition:
    """I' = I convolved with a Gaussian, ``sigma`` in pixels."""
    return lambda pictures, _: np.stack([cv2.GaussianBlur(p, (0, 0), sigma) for p in pictures])


def jpeg(quality: int) -> Condition:
    """Compress and decode as baseline JPEG with libjpeg's ``quality``, 1 to 100."""

    def squeeze(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)

    return lambda pictures, _: np.stack([squeeze(p) for p in pictures])


def scale(factor: float) -> Condition:
    """I'(c + s·d) = I(c + d) about the centre c. s > 1 means a nearer camera; the picture size stays the same."""
    return lambda pictures, _: np.stack([_turned(p, 0.0, factor) for p in pictures])


def rotation(degrees: float) -> Condition:
    """Rotate about the centre by ``degrees``, left or right at random for each picture."""

    def apply(pictures: Pictures, rng: np.random.Generator) -> Pictures:
        senses = rng.choice([-1.0, 1.0], len(pictures))
        return np.stack([_turned(p, sense * degrees, 1.0) for p, sense in zip(pictures, senses, strict=True)])

    return apply


CONDITIONS: dict[str, Condition] = {
    "uneven light 0.4": uneven_light(0.4),
    "uneven light 1.0": uneven_light(1.0),
    "noise 20 dB": gaussian_noise(20),
    "noise 35 dB": gaussian_noise(35),
    "motion blur 2": motion_blur(2),
    "motion blur 5": motion_blur(5),
    "luminance -40 %": luminance(0.6),
    "luminance +40 %": luminance(1.4),
    "defocus 1.5": defocus(1.5),
    "jpeg quality 30": jpeg(30),
    "jpeg quality 10": jpeg(10),
    "scale 0.8": scale(0.8),
    "scale 1.25": scale(1.25),
    "rotation 5": rotation(5),
    "rotation 10": rotation(10),
}

CASI_NET = {
    "uneven light 0.4": 0.9421,
    "uneven light 1.0": 0.9256,
    "noise 20 dB": 0.9471,
    "noise 35 dB": 0.9526,
    "motion blur 2": 0.9566,
    "motion blur 5": 0.9162,
}
"""Accuracy of CASI-Net (BLFE + CA + SI + MLP, trained on 70 %, 95.83 % undisturbed) from its Table 1."""


def _turned(picture: npt.NDArray[np.uint8], degrees: float, factor: float) -> npt.NDArray[np.uint8]:
    """Rotate and scale, bilinear. The picture is mirrored at its edges."""
    height, width = picture.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, factor)
    turned = cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(turned, dtype=np.uint8)


def _to_uint8(x: npt.NDArray[np.float32]) -> Pictures:
    return np.rint(x).clip(0, 255).astype(np.uint8)
