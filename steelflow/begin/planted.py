"""Defects that are planted in views of good strip, to teach a network what to look for.

Shapes: blobs, lines and cracks, scattered spots, rectangles. Appearance: darker, brighter, another texture, blurred,
noisy, or a piece of another view (CutPaste, DRAEM; see ``models.good_strip``). They need not look like real defects: a
network that tells all of them from good strip has learned what good strip looks like.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Rng = np.random.Generator

_SHAPES = ("blob", "line", "spots", "piece")
_LOOKS = ("dark", "bright", "shifted", "texture", "blurred", "noisy")
_VISIBLE = 0.25  # mean change, as a share of the deviation of neighbouring pixels, below which it cannot be seen


def plant(view: Floats, other: Floats, rng: Rng) -> tuple[Floats, Mask]:
    """One defect in ``view`` (S, S), 0 to 255; ``other`` is a view that pieces are taken from.

    Returns:
        The new view and the pixels of the defect; none where it would not be seen.
    """
    side = len(view)
    shape = rng.choice(_SHAPES, p=(0.35, 0.3, 0.15, 0.2))
    mask = _piece(side, rng) if shape == "piece" else _shape(str(shape), side, rng)
    if not mask.any():
        return view, mask
    new = _pasted(view, other, mask, rng) if shape == "piece" else _changed(view, mask, rng)
    edge = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), rng.uniform(0.4, 2.0)) * rng.uniform(0.6, 1)
    planted = np.clip(view * (1 - edge) + new * edge, 0, 255).astype(np.float32)
    rough = float(np.diff(view[mask] if mask.sum() > 20 else view.ravel()).std())
    if np.abs(planted - view)[mask].mean() < _VISIBLE * max(3.0, rough):
        return view, np.zeros_like(mask)
    return planted, mask


def _shape(name: str, side: int, rng: Rng) -> Mask:
    if name == "blob":
        return _blob(side, rng)
    return _line(side, rng) if name == "line" else _spots(side, rng)


def _changed(view: Floats, mask: Mask, rng: Rng) -> Floats:
    look = rng.choice(_LOOKS, p=(0.4, 0.12, 0.2, 0.1, 0.08, 0.1))
    spread = max(4.0, float(view.std()) / 2)
    if look == "dark":
        return np.asarray(view * rng.uniform(0.25, 0.85), np.float32)
    if look == "bright":
        return np.asarray(view + rng.uniform(15, 90), np.float32)
    if look == "shifted":
        return np.asarray(view + rng.choice((-1, 1)) * rng.uniform(0.6, 3) * spread, np.float32)
    if look == "texture":
        grain = _smooth(len(view), int(rng.choice((16, 32, 64))), rng)
        level = view[mask].mean() * rng.uniform(0.5, 1.2)
        return np.asarray(level + spread * rng.uniform(0.5, 2) * grain, np.float32)
    if look == "blurred":
        return np.asarray(cv2.GaussianBlur(view, (0, 0), rng.uniform(2, 6)) * rng.uniform(0.8, 1.1), np.float32)
    noise = rng.standard_normal(view.shape).astype(np.float32)
    return np.asarray(view + rng.uniform(0.5, 2.5) * spread * noise, np.float32)


def _pasted(view: Floats, other: Floats, mask: Mask, rng: Rng) -> Floats:
    piece = np.asarray(np.rot90(other, int(rng.integers(4))) if rng.random() < 0.6 else other, np.float32)
    if rng.random() < 0.5:
        factors = rng.uniform(0.7, 1.4, 2)
        scaled = cv2.resize(np.ascontiguousarray(piece), None, fx=factors[0], fy=factors[1])
        piece = np.asarray(np.tile(scaled, (3, 3))[: len(view), : len(view)], np.float32)
    if rng.random() < 0.5:  # only its texture differs
        piece = np.asarray(piece - piece.mean() + view[mask].mean(), np.float32)
    return piece


def _piece(side: int, rng: Rng) -> Mask:
    if rng.random() >= 0.3:
        return _blob(side, rng) if rng.random() < 0.7 else _spots(side, rng)
    mask = np.zeros((side, side), bool)
    height, width = (rng.uniform(0.06, 0.5, 2) * side).astype(int)
    top, left = rng.integers(0, side - height), rng.integers(0, side - width)
    mask[top : top + height, left : left + width] = True
    return mask


def _blob(side: int, rng: Rng) -> Mask:
    """An ellipse with a rough edge; its radius is between 3 pixels and a fifth of the view."""
    radius = float(np.exp(rng.uniform(np.log(3), np.log(side * 0.22))))
    stretch, turn = np.exp(rng.uniform(-0.4, 0.4)), rng.uniform(0, np.pi)
    row, column = rng.uniform(0, side, 2)
    rows, columns = np.ogrid[:side, :side]
    down, right = rows - row, columns - column
    along = (down * np.cos(turn) + right * np.sin(turn)) / (radius * stretch)
    across = (right * np.cos(turn) - down * np.sin(turn)) / (radius / stretch)
    rough = rng.uniform(0, 0.5) * _smooth(side, max(3, min(32, int(side / radius * 1.5))), rng)
    return np.asarray(np.sqrt(along**2 + across**2) + rough < 1)


def _line(side: int, rng: Rng) -> Mask:
    """A scratch or a crack: a walk that is straight or turns at every step, one to six pixels wide."""
    mask = np.zeros((side, side), np.uint8)
    point, turn = rng.uniform(0, side, 2), rng.uniform(0, 2 * np.pi)
    bend, step, width = float(rng.choice((0, 0.1, 0.35, 0.6))), rng.uniform(3, 10), int(rng.integers(1, 6))
    length = float(np.exp(rng.uniform(np.log(15), np.log(side))))
    for _ in range(int(length / step) + 1):
        following = point + step * np.array([np.cos(turn), np.sin(turn)])
        ends = [(int(x), int(y)) for x, y in (point, following)]
        cv2.line(mask, ends[0], ends[1], 1, max(1, width + int(rng.integers(-1, 2))))
        point, turn = following, turn + rng.normal() * bend
    return mask > 0


def _spots(side: int, rng: Rng) -> Mask:
    """Irregular spots within a circle."""
    spots = _smooth(side, int(rng.choice((4, 6, 8, 12, 20, 32))), rng) > rng.uniform(1, 2)
    row, column = rng.uniform(0, side, 2)
    rows, columns = np.ogrid[:side, :side]
    circle = (rows - row) ** 2 + (columns - column) ** 2 < (side * rng.uniform(0.1, 0.4)) ** 2
    return np.asarray(spots & circle)


def _smooth(side: int, grains: int, rng: Rng) -> Floats:
    """Noise (side, side) of about unit deviation with ``grains`` grains on a side."""
    noise = rng.standard_normal((grains, grains)).astype(np.float32)
    return np.asarray(cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)
