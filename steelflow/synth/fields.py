"""Building blocks of a synthetic surface: random fields, light and strokes.

A field is float32 of shape (size, size), or of the shape (height, width) that is given as its size. Lengths are in
pixels of a 200×200 picture of the NEU database. A larger ``size`` shows more steel at the same scale.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
Polygon = npt.NDArray[np.int32]
Size = int | tuple[int, int]

_SUBPIXEL_BITS = 4


def smooth(rng: np.random.Generator, size: Size, x: float, y: float) -> Field:
    """Gaussian noise with correlation lengths ``x`` and ``y``; zero mean and unit variance over the picture.

    Long waves are drawn on a coarse grid and enlarged, so the cost does not grow with the length.
    """
    rows, columns = (size, size) if isinstance(size, int) else size
    step_x, step_y = max(1, int(x / 2)), max(1, int(y / 2))
    width, height = -(-columns // step_x) + 2, -(-rows // step_y) + 2
    noise = blurred(rng.standard_normal((height, width), dtype=np.float32), x / step_x, y / step_y)
    if step_x > 1 or step_y > 1:
        enlarged = cv2.resize(noise, (width * step_x, height * step_y), interpolation=cv2.INTER_CUBIC)
        noise = np.asarray(enlarged, np.float32)
    return standardised(noise[:rows, :columns])


def blurred(field: Field, x: float, y: float | None = None) -> Field:
    """The field blurred by a Gaussian with standard deviations ``x`` and ``y`` (default ``x``) in pixels."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), x, sigmaY=x if y is None else y), np.float32)


def standardised(field: Field) -> Field:
    """The field shifted and scaled to zero mean and unit variance over the picture."""
    mean, std = cv2.meanStdDev(field)
    return (field - np.float32(mean[0, 0])) / np.float32(max(std[0, 0], 1e-6))


def brushed(rng: np.random.Generator, size: int, length: float, width: float, degrees: float) -> Field:
    """Unit-variance grain stretched along a direction, ``degrees`` counter-clockwise from the x axis."""
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), degrees, 1.0)
    turned = cv2.warpAffine(smooth(rng, size, length, width), turn, (size, size), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(turned, np.float32)


def columns(rng: np.random.Generator, size: int, length: float) -> Field:
    """Unit-variance noise that depends on x only, shape (1, size): streaks of rolls and lamps along the strip."""
    noise = rng.standard_normal((1, size), dtype=np.float32)
    return standardised(blurred(noise, length, 0.1))


def ramp(size: int, degrees: float) -> Field:
    """A plane from about -1 to 1 that rises towards ``degrees`` counter-clockwise from the x axis."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    angle = np.deg2rad(degrees)
    plane: Field = np.float32(np.cos(angle)) * axis[None, :] - np.float32(np.sin(angle)) * axis[:, None]
    return plane


def step(field: Field, softness: float) -> Field:
    """0 below the zero level of a field, 1 above it, with a linear transition of width ``softness``."""
    mask: Field = np.clip(0.5 + field / np.float32(softness), 0, 1)
    return mask


def covering(field: Field, share: float, softness: float) -> Field:
    """The ``share`` of the picture where the field is highest, as a soft mask in 0..1."""
    # Every seventh pixel is enough for a quantile, and several times cheaper.
    level = np.quantile(field.ravel()[::7], 1 - share)
    return step(field - np.float32(level), softness)


def spindle(
    rng: np.random.Generator,
    x: float,
    y: float,
    length: float,
    width: float,
    *,
    slope: float = 0.0,
    taper: float = 0.8,
    wander: float = 0.12,
    ragged: float = 0.3,
) -> Polygon:
    """A ragged vertical sliver around (x, y), as a closed polygon for ``painted``.

    ``slope`` is the change of x per pixel of y. ``taper`` 0 gives blunt ends, 1 a lens. ``wander`` is the deviation of
    the centre line per knot of the outline, in square roots of the width. ``ragged`` is the share of the width that
    varies.
    """
    knots = int(np.clip(length / 5, 5, 30))
    t = np.linspace(0, 1, 2 * knots - 1)
    edges = np.interp(t, t[::2], rng.uniform(-1, 1, knots)) + rng.uniform(-0.4, 0.4, (2, t.size))
    half = 0.5 * width * np.sin(np.pi * np.clip(t, 0.02, 0.98)) ** taper * (0.9 + ragged * edges)
    drift = np.interp(t, t[::2], np.cumsum(rng.normal(0, wander * np.sqrt(width), knots)))
    middle = x + slope * length * (t - 0.5) + drift - drift.mean()
    along = y + length * (t - 0.5)
    outline = np.concatenate([np.stack([middle - half[0], along], 1), np.stack([middle + half[1], along], 1)[::-1]])
    return np.round(outline * (1 << _SUBPIXEL_BITS)).astype(np.int32)


def walk(rng: np.random.Generator, x: float, y: float, *, steps: int, stride: float, turn: float) -> Polygon:
    """A crack: a random line from (x, y) along the horizontal, as points for ``painted``."""
    heading = np.clip(0.35 * np.cumsum(rng.normal(0, turn, steps)) + rng.normal(0, turn, steps), -1.3, 1.3)
    points = np.stack([x + np.cumsum(stride * np.cos(heading)), y + np.cumsum(stride * np.sin(heading))], 1)
    return np.round(points * (1 << _SUBPIXEL_BITS)).astype(np.int32)


def painted(size: Size, shapes: Iterable[tuple[Polygon, float]], *, filled: bool, blur: float) -> Field:
    """Draw shapes with their strengths (0..1) on an empty mask in 0..1, blurred by ``blur`` pixels."""
    canvas = np.zeros((size, size) if isinstance(size, int) else size, np.uint8)
    for points, strength in shapes:
        level = round(255 * min(strength, 1.0))
        if filled:
            cv2.fillPoly(canvas, [points], level, cv2.LINE_AA, _SUBPIXEL_BITS)
        else:
            cv2.polylines(canvas, [points], False, level, 1, cv2.LINE_AA, _SUBPIXEL_BITS)
    return blurred(canvas.astype(np.float32) / np.float32(255), blur)
