"""The camera between a surface and its picture. Each parameter is a way in which a plant can drift."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from steelflow.errors import ConfigError
from steelflow.synth.fields import Field

Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera and its lamp. The default camera does not change the surface.

    Attributes:
        gain: factor on every grey value. Old lamps approach 0.7; a new lamp with an old setting reaches 1.4.
        gradient: 0..1, uneven light. The factor rises linearly from 1 - gradient at the left edge to 1 + gradient at
            the right edge. The mean stays the same, except for saturation.
        noise_db: signal-to-noise ratio in dB of added Gaussian noise; None: no noise. The standard deviation is
            sqrt(mean(x²) / 10^(noise_db / 10)) grey values, where x is the picture before the noise.
        blur: length in pixels of the motion blur along the strip (the y axis): each pixel becomes the mean of ``blur``
            pixels. 0 and 1 change nothing.
        defocus: standard deviation in pixels of a Gaussian blur.
    """

    gain: float = 1.0
    gradient: float = 0.0
    noise_db: float | None = None
    blur: int = 0
    defocus: float = 0.0

    def __post_init__(self) -> None:
        for name, value, good in (
            ("gain", self.gain, self.gain > 0),
            ("gradient", self.gradient, 0 <= self.gradient <= 1),
            ("blur", self.blur, self.blur >= 0),
            ("defocus", self.defocus, self.defocus >= 0),
        ):
            if not good:
                accepted = {"gain": "above 0", "gradient": "0 to 1"}.get(name, "0 or more")
                raise ConfigError(f"camera {name} {value}: must be {accepted}")


def photograph(surface: Grey, camera: Camera, rng: np.random.Generator) -> Grey:
    """Take a picture: blur, then light, then noise, then round and clip to 0..255.

    Args:
        surface: uint8 of shape (height, width).
        rng: used only for the noise.

    Returns:
        uint8 of the same shape; the surface itself for the default camera.
    """
    if camera == Camera():
        return surface
    picture: Field = surface.astype(np.float32)
    if camera.blur > 1:
        picture = np.asarray(cv2.blur(picture, (1, camera.blur), borderType=cv2.BORDER_REFLECT), np.float32)
    if camera.defocus > 0:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), camera.defocus), np.float32)
    picture = picture * np.float32(camera.gain)
    if camera.gradient > 0:
        picture = picture * (1 + np.float32(camera.gradient) * np.linspace(-1, 1, picture.shape[1], dtype=np.float32))
    if camera.noise_db is not None:
        deviation = np.sqrt(np.mean(picture**2) / 10 ** (camera.noise_db / 10))
        picture = picture + np.float32(deviation) * rng.standard_normal(picture.shape, dtype=np.float32)
    exposed: Field = np.clip(picture + np.float32(0.5), 0, 255)
    return exposed.astype(np.uint8)
