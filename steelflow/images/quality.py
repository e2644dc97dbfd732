"""Four figures of image quality, for drift and for people who ask why a night looks unusual."""

from __future__ import annotations

import cv2
import numpy as np

from steelflow.images.decode import Grey

_WHITE = 250


def measure(grey: Grey) -> tuple[float, float, float, float]:
    """The figures ``schema.QUALITY`` of uint8 (H, W): brightness, contrast, sharpness and saturation. They take
    microseconds.

    Brightness and contrast are mean and standard deviation of the grey level. Sharpness is the squared gradient of
    Eskicioglu and Fisher (1995): Σ (g(x+1, y) − g(x, y))² + (g(x, y+1) − g(x, y))², divided by the number of pixels.
    Saturation is the share of pixels at 250 or above.
    """
    mean, deviation = cv2.meanStdDev(grey)
    gradient = 0.0
    if grey.shape[1] > 1:
        gradient += cv2.norm(grey[:, 1:], grey[:, :-1], cv2.NORM_L2SQR)
    if grey.shape[0] > 1:
        gradient += cv2.norm(grey[1:], grey[:-1], cv2.NORM_L2SQR)
    white = np.count_nonzero(grey >= _WHITE) if cv2.norm(grey, cv2.NORM_INF) >= _WHITE else 0
    return float(mean[0, 0]), float(deviation[0, 0]), gradient / grey.size, white / grey.size
