"""What changes the surface of a strip at one place: defects, and marks that do no harm.

Everything is drawn at its own size, in pixels of the strip, as a factor on the brightness. The classes are those of
``synth.textures``, so that labels fit the models that ship; here they are as large as on a strip, from a pit of ten
pixels to a scratch over several frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steelflow.synth.fields import Field, blurred, covering, painted, smooth, spindle, step, walk

Mask = npt.NDArray[np.bool_]

_SEEN = 0.05  # a smaller change of brightness is not drawn and not in the mask
_JOINED = 11  # pixels: specks that are closer are one region of a mask


class Blemish(NamedTuple):
    """A changed patch of surface. ``factor`` float32 (height, width) is 1 outside ``mask``."""

    factor: Field
    mask: Mask


def defect(label: str, rng: np.random.Generator) -> Blemish:
    """Draw a defect of a class of ``DEFECTS``."""
    return _blemish(_DEFECTS[label](rng))


def harmless(rng: np.random.Generator) -> Blemish:
    """Draw oil, the mark of a water drop, or dust: it can be seen, and it does no harm."""
    kind = rng.choice(len(_HARMLESS))
    return _blemish(_HARMLESS[kind](rng), seen=0.01)


def roll_mark(rng: np.random.Generator) -> Blemish:
    """Draw the mark of a damaged roll. The same state of ``rng`` gives the same mark, as one roll leaves it."""
    width, height = rng.uniform(9, 26), rng.uniform(9, 34)
    shape = _box(width + 12, height + 12)
    round_ = step(1 - _radius(shape, width / 2, height / 2) + 0.25 * smooth(rng, shape, 3, 3), 0.5)
    dark = rng.uniform(0.3, 0.5)
    rim = np.roll(round_, (2, 1), (0, 1)) * (1 - round_)
    return _blemish(1 - dark * round_ + 0.8 * dark * rim)


def _blemish(factor: Field, seen: float = _SEEN) -> Blemish:
    """Take the changed pixels as the mask, join near specks, and crop to the mask."""
    changed = (np.abs(factor - 1) > seen).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_JOINED, _JOINED))
    framed = cv2.copyMakeBorder(changed, _JOINED, _JOINED, _JOINED, _JOINED, cv2.BORDER_CONSTANT, value=(0,))
    closed = cv2.morphologyEx(framed, cv2.MORPH_CLOSE, kernel)[_JOINED:-_JOINED, _JOINED:-_JOINED]
    if not closed.any():
        closed[closed.shape[0] // 2, closed.shape[1] // 2] = 1
    x, y, width, height = cv2.boundingRect(closed)
    box = np.s_[y : y + height, x : x + width]
    kept = np.where(changed > 0, factor, np.float32(1)).astype(np.float32)
    return Blemish(np.ascontiguousarray(kept[box]), np.ascontiguousarray(closed[box] > 0))


def _crazing(rng: np.random.Generator) -> Field:
    """A net of fine dark cracks."""
    width, height = rng.uniform(70, 190), rng.uniform(70, 220)
    shape = _box(width, height)
    near = step(0.85 - _radius(shape, width / 2, height / 2) + 0.2 * smooth(rng, shape, 16, 16), 0.4)
    cracks = []
    for _ in range(int(width * height / 500) + 5):
        x, y = rng.uniform(-20, shape[1]), rng.uniform(0, shape[0])
        cracks.append((walk(rng, x, y, steps=int(rng.integers(8, 30)), stride=2.2, turn=0.5), rng.uniform(0.5, 1)))
    lines = np.clip(painted(shape, cracks, filled=False, blur=0.8) * 1.5, 0, 1)
    return np.asarray(1 - rng.uniform(0.35, 0.6) * lines * near - 0.03 * near, np.float32)


def _inclusion(rng: np.random.Generator) -> Field:
    """Dark slivers along the strip, in a string."""
    length, slivers = rng.uniform(40, 230), []
    shape = _box(44, length + 24)
    for _ in range(rng.integers(1, 5)):
        size = rng.uniform(0.35, 1) * length
        x, y = shape[1] / 2 + rng.normal(0, 4), shape[0] / 2 + rng.uniform(-0.5, 0.5) * (length - size)
        slivers.append((spindle(rng, x, y, size, rng.uniform(2.5, 9), wander=0.2), rng.uniform(0.6, 1)))
    mask = painted(shape, slivers, filled=True, blur=1.0)
    uneven = np.clip(1 + 0.2 * smooth(rng, shape, 2, 6), 0.3, 1.3)
    return np.asarray(1 - rng.uniform(0.25, 0.5) * mask * uneven, np.float32)


def _patches(rng: np.random.Generator) -> Field:
    """A dark blot with a fuzzy edge, from a coin to a plate."""
    width, height = rng.uniform(50, 190), rng.uniform(60, 260)
    shape = _box(width, height)
    ragged = 0.3 * smooth(rng, shape, 14, 20) + 0.1 * smooth(rng, shape, 3, 4)
    radius = _radius(shape, width / 2, height / 2)
    blot = step(_least(0.72 - radius + ragged, 2 * (0.9 - radius)), 0.35)
    return np.asarray(1 - rng.uniform(0.22, 0.5) * blot * np.clip(1 + 0.1 * smooth(rng, shape, 3, 3), 0, 2), np.float32)


def _pitted_surface(rng: np.random.Generator) -> Field:
    """Small pits with a bright rim, alone or in a group; the smallest has ten pixels."""
    count = int(rng.choice([1, 1, 1, 2, 4, 8]))
    spread = 12.0 * np.sqrt(count - 1)
    shape = _box(2 * spread + 44, 2.4 * spread + 44)
    pits = np.zeros(shape, np.float32)
    for _ in range(count):
        x, y = (side / 2 + rng.uniform(-spread, spread) for side in (shape[1], shape[0]))
        radius = rng.uniform(4.5, 12) if count == 1 else rng.uniform(3.5, 7)
        pits = np.maximum(pits, step(1 - _radius(shape, radius, radius * rng.uniform(0.8, 1.5), x, y), 0.5))
    rim = blurred(np.roll(pits, (2, 1), (0, 1)), 0.8) * (1 - pits)
    depth = rng.uniform(0.3, 0.6)
    return np.asarray(1 - depth * pits + 0.5 * depth * rim, np.float32)


def _rolled_in_scale(rng: np.random.Generator) -> Field:
    """A cluster of small dark smudges with a bright edge."""
    width, height = rng.uniform(50, 150), rng.uniform(60, 220)
    shape = _box(width, height)
    near = 1.6 * (0.8 - _radius(shape, width / 2, height / 2))
    smudges = blurred(covering(smooth(rng, shape, 3.0, 2.0) + 1.2 * near, rng.uniform(0.08, 0.17), 1.2), 0.9)
    smudges *= step(near + 0.1, 0.8)
    edge = np.roll(smudges, (3, 1), (0, 1)) * (1 - smudges)
    depth = rng.uniform(0.3, 0.5)
    return np.asarray(1 - depth * smudges + 0.4 * depth * edge, np.float32)


def _scratches(rng: np.random.Generator) -> Field:
    """Bright lines along the strip; the longest run through several frames."""
    length = float(np.clip(rng.lognormal(5.2, 0.8), 50, 1500))
    slope = float(np.clip(rng.normal(0, 0.04 if length > 300 else 0.25), -0.8, 0.8))
    shape, strokes = _box(length * abs(slope) + 50, length + 16), []
    for number in range(rng.integers(1, 4)):
        size = length * (1 if number == 0 else rng.uniform(0.3, 0.9))
        x, y = shape[1] / 2 + number * rng.normal(0, 6), shape[0] / 2 + rng.uniform(-0.5, 0.5) * (length - size)
        line = spindle(rng, x, y, size, rng.uniform(1.8, 4.5), slope=slope, taper=0.4, wander=0.03, ragged=0.2)
        strokes.append((line, rng.uniform(0.7, 1)))
    mask = painted(shape, strokes, filled=True, blur=0.7)
    wear = np.clip(1 + 0.25 * smooth(rng, shape, 2, 9), 0.3, 1.4)
    return np.asarray(1 + rng.uniform(0.3, 0.8) * mask * wear, np.float32)


def _oil(rng: np.random.Generator) -> Field:
    width, height = rng.uniform(40, 220), rng.uniform(40, 200)
    shape = _box(width, height)
    radius = _radius(shape, width / 2, height / 2)
    soft = step(_least(0.6 - radius + 0.2 * smooth(rng, shape, 24, 24), 0.55 - 0.6 * radius), 0.7)
    return np.asarray(1 - rng.uniform(0.08, 0.2) * soft, np.float32)


def _drop(rng: np.random.Generator) -> Field:
    """The dried drop of water: a faint ring, a little brighter inside."""
    radius = rng.uniform(12, 45)
    shape = _box(2.4 * radius, 2.4 * radius)
    around = _radius(shape, radius, radius * rng.uniform(0.9, 1.1)) + np.float32(0.04) * smooth(rng, shape, 8, 8)
    ring = np.exp(-(((around - 0.9) / 0.09) ** 2))
    inside = step(np.float32(0.9) - around, 0.1)
    return np.asarray(1 + rng.uniform(0.03, 0.06) * inside - rng.uniform(0.07, 0.15) * ring, np.float32)


def _dust(rng: np.random.Generator) -> Field:
    """A few single specks of two or three pixels, and fluff."""
    shape = _box(rng.uniform(30, 120), rng.uniform(30, 120))
    specks = np.zeros(shape, np.float32)
    for _ in range(rng.integers(3, 12)):
        specks[int(rng.integers(shape[0])), int(rng.integers(shape[1]))] = 1
    return np.asarray(1 - rng.uniform(0.5, 1.6) * blurred(specks, 0.9), np.float32)


def _box(width: float, height: float) -> tuple[int, int]:
    return int(height) + 1, int(width) + 1


def _least(one: Field, other: Field) -> Field:
    return np.asarray(np.minimum(one, other), np.float32)


def _radius(shape: tuple[int, int], x: float, y: float, at_x: float | None = None, at_y: float | None = None) -> Field:
    """Distance from the centre (or from the given point) in semi-axes of an ellipse: 1 on the ellipse."""
    rows, columns = shape
    across = (np.arange(columns, dtype=np.float32) - (columns / 2 if at_x is None else at_x)) / x
    along = (np.arange(rows, dtype=np.float32) - (rows / 2 if at_y is None else at_y)) / y
    return np.asarray(np.sqrt(across[None, :] ** 2 + along[:, None] ** 2), np.float32)


_DEFECTS: dict[str, Callable[[np.random.Generator], Field]] = {
    "crazing": _crazing,
    "inclusion": _inclusion,
    "patches": _patches,
    "pitted_surface": _pitted_surface,
    "rolled-in_scale": _rolled_in_scale,
    "scratches": _scratches,
}

_HARMLESS = _oil, _drop, _dust

DEFECTS: tuple[str, ...] = tuple(_DEFECTS)
