"""Good strip: grain, rolling lines, slow shading, dark and rough heads and tails, the strip's edges and its end.

Grain comes from tiles that are drawn once per process, so a frame costs a few milliseconds. What runs along the strip
(rolling lines, shading) belongs to the coil and continues from frame to frame and from camera to camera.
Lengths are in pixels, ``x`` from the strip's nominal edge, ``y`` from the coil's head.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steelflow.synth.fields import Field, columns, smooth, standardised

_TILE = 1024, 2560  # height and width of a tile; a frame takes a random part of it
_KNOT = 64  # pixels between the knots of the slow shading
_NOISE = 1.1  # grey values of the sensor, standard deviation
_OFF_STRIP = 9.0  # grey level beside the strip: a dark pit below the roller table
_EDGE = 14.0  # pixels at the strip's edge that are worn
_WANDER = 5.0  # pixels by which the strip wanders across, standard deviation
_ALL = slice(None)
_BOW = 18.0  # pixels by which head and tail are bowed
_FLAT = 0.02  # less roughness is none
_ROUGH = 420.0  # pixels over which head and tail become like the rest


class Window(NamedTuple):
    """The part of the strip that a frame shows: its first column and row, its width and height."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Steel:
    """One side of one coil.

    Attributes:
        level: grey level of the steel.
        grain, brush, mottle: amplitudes of fine grain, of grain along the strip, and of coarse grain.
        lines, other: two profiles across the strip; the coil's rolling lines change from one to the other.
        turning: weight of ``other`` at each knot along the coil.
        shading: slow changes of brightness, a coarse grid over the coil.
        edges: wandering of both edges at each knot.
        width, length: of the strip.
        ends: how much darker and rougher head and tail are, 0..1.
    """

    level: float
    grain: float
    brush: float
    mottle: float
    lines: Field
    other: Field
    turning: Field
    shading: Field
    edges: Field
    width: int
    length: int
    ends: float


def steel(line: np.random.Generator, coil: np.random.Generator, width: int, length: int) -> Steel:
    """Draw the surface of one side of a coil.

    Args:
        line: decides what all coils of the line have in common: its light and its rolls.
        coil: decides what this coil and side differ in.
        width, length: of the strip, pixels.
    """
    level, grain, brush = line.uniform(95, 150), line.uniform(0.03, 0.055), line.uniform(0.02, 0.05)
    strength = np.float32(line.uniform(0.02, 0.05))
    knots = length // _KNOT + 8
    return Steel(
        level=level * coil.uniform(0.88, 1.12),
        grain=grain * coil.uniform(0.8, 1.2),
        brush=brush * coil.uniform(0.7, 1.3),
        mottle=coil.uniform(0.008, 0.022),
        lines=np.float32(0.6) * strength * (_profile(line, width) + _profile(coil, width)),
        other=np.float32(0.5) * strength * _profile(coil, width),
        turning=_series(coil, knots, 6),
        shading=np.float32(coil.uniform(0.02, 0.05)) * smooth(coil, (knots, width // _KNOT + 32), 3, 5),
        edges=np.float32(_WANDER) * np.stack([_series(coil, knots, 8), _series(coil, knots, 8)]),
        width=width,
        length=length,
        ends=coil.uniform(0.5, 1.0),
    )


def good_surface(own: Steel, window: Window, rng: np.random.Generator) -> Field:
    """What a camera sees of a good strip, without marks, background and sensor noise: grey levels, float32.

    Args:
        rng: of the frame; it picks the grain.
    """
    distance = _from_ends(own, window)
    rough = np.float32(own.ends) * np.exp(-np.maximum(distance, 0) / np.float32(_ROUGH))
    surface = cv2.addWeighted(_part(rng, "fine", window), own.grain, _part(rng, "brushed", window), own.brush, 1.0)
    coarse = _part(rng, "coarse", window)
    if rough.max() > _FLAT:
        surface = surface + coarse * (np.float32(own.mottle) + np.float32(0.12) * rough)
    else:
        surface = cv2.scaleAdd(coarse, own.mottle, surface)
    surface = cv2.multiply(surface, _light(own, window), scale=own.level)
    if rough.max() > _FLAT:
        surface = surface * (1 - np.float32(0.38) * rough)
    return np.asarray(surface, np.float32)


def on_strip(own: Steel, window: Window) -> npt.NDArray[np.bool_] | None:
    """Which pixels show strip, even in part, bool of the window's shape; None if all do."""
    bands = _borders(own, window)
    if not bands:
        return None
    mask = np.ones((window.height, window.width), np.bool_)
    for place, distance in bands:
        mask[place] &= distance > -0.5
    return mask


def exposed(own: Steel, surface: Field, window: Window, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """The picture of a surface, which it changes: the background beside the strip, and the noise of the sensor."""
    for place, distance in _borders(own, window):
        inside = np.clip(distance + np.float32(0.5), 0, 1)
        inside *= 1 - np.float32(0.35) * np.exp(-np.maximum(distance, 0) / np.float32(_EDGE / 4))
        surface[place] = (surface[place] - np.float32(_OFF_STRIP)) * inside + np.float32(_OFF_STRIP)
    return np.asarray(cv2.convertScaleAbs(cv2.scaleAdd(_part(rng, "sensor", window), _NOISE, surface)), np.uint8)


def _borders(own: Steel, window: Window) -> list[tuple[tuple[slice, slice], Field]]:
    """The parts of the window that the strip's borders cross: rows and columns, and pixels inside the strip."""
    bands: list[tuple[tuple[slice, slice], Field]] = []
    left, right = _edges(own, window)
    x = np.arange(window.x, window.x + window.width, dtype=np.float32)
    first = min(int(left.max() + _EDGE) - window.x, window.width)
    last = max(int(right.min() - _EDGE) - window.x, 0)
    if first > 0:
        bands.append(((_ALL, slice(first)), x[None, :first] - left))
    if last < window.width:
        bands.append(((_ALL, slice(last, None)), right - x[None, last:]))
    distance = _from_ends(own, window)
    rows = np.flatnonzero(distance < _BOW + _EDGE)
    if len(rows):
        bow = np.float32(_BOW) * ((x / np.float32(own.width) - np.float32(0.5)) * 2) ** 2
        near = slice(int(rows[0]), int(rows[-1]) + 1)
        bands.append(((near, _ALL), np.asarray(distance[near] - bow[None, :], np.float32)))
    return bands


def _edges(own: Steel, window: Window) -> tuple[Field, Field]:
    """Columns of the strip's edges in each row, shape (height, 1)."""
    y = np.arange(window.y, window.y + window.height, dtype=np.float32) / _KNOT
    knots = np.arange(own.edges.shape[1], dtype=np.float32)
    left, right = (np.interp(y, knots, edge).astype(np.float32)[:, None] for edge in own.edges)
    return left, right + np.float32(own.width)


def _from_ends(own: Steel, window: Window) -> Field:
    """Pixels to the nearest end of the strip in each row, negative beyond it; shape (height, 1)."""
    y = np.arange(window.y, window.y + window.height, dtype=np.float32)
    return np.asarray(np.minimum(y, np.float32(own.length) - y)[:, None], np.float32)


def _light(own: Steel, window: Window) -> Field:
    """Light and rolling lines: 1 on average."""
    across = np.clip(np.arange(window.x, window.x + window.width), 0, own.width - 1)
    y = np.arange(window.y, window.y + window.height, dtype=np.float32) / _KNOT
    turning = np.interp(y, np.arange(len(own.turning)), own.turning).astype(np.float32)
    # The lens darkens the sides of each frame.
    lens = 1 - np.float32(0.16) * np.linspace(-1, 1, window.width, dtype=np.float32) ** 2
    profile = lens * (1 + own.lines[across])
    # A product of thin matrices is faster than sums of outer products, and OpenCV's needs no threads.
    weights, profiles = np.stack([np.ones_like(turning), turning], 1), np.stack([profile, lens * own.other[across]])
    return np.asarray(cv2.gemm(weights, profiles, 1.0, _shade(own, window), 1.0), np.float32)


def _shade(own: Steel, window: Window) -> Field:
    row, column = window.y // _KNOT, window.x // _KNOT + 4
    rows, columns = window.height // _KNOT + 4, window.width // _KNOT + 4
    grid = own.shading[row : row + rows, max(column, 0) : max(column, 0) + columns]
    large = cv2.resize(grid, (grid.shape[1] * _KNOT, grid.shape[0] * _KNOT), interpolation=cv2.INTER_LINEAR)
    y, x = window.y % _KNOT + _KNOT, window.x % _KNOT
    return np.ascontiguousarray(large[y : y + window.height, x : x + window.width], np.float32)


def _part(rng: np.random.Generator, name: str, window: Window) -> Field:
    tile = _tile(name, max(_TILE[0], 2 * window.height), max(_TILE[1], 2 * window.width))
    y = int(rng.integers(tile.shape[0] - window.height))
    x = int(rng.integers(tile.shape[1] - window.width))
    return tile[y : y + window.height, x : x + window.width]


@lru_cache(maxsize=16)
def _tile(name: str, height: int, width: int) -> Field:
    rng, size = np.random.default_rng(list(name.encode())), (height, width)
    if name == "sensor":
        return np.asarray(rng.standard_normal(size, dtype=np.float32), np.float32)
    if name == "fine":
        return standardised(smooth(rng, size, 0.7, 0.8) + 0.5 * smooth(rng, size, 1.4, 1.6))
    if name == "brushed":
        return standardised(smooth(rng, size, 0.9, 18) + 0.7 * smooth(rng, size, 1.6, 50))
    return standardised(smooth(rng, size, 7, 9) + 0.8 * smooth(rng, size, 2.5, 4))


def _profile(rng: np.random.Generator, width: int) -> Field:
    """Unit-variance noise across the strip: fine and wide streaks."""
    lengths = (0.8, 0.35), (4.0, 0.5), (30.0, 0.8)
    streaks = np.stack([np.float32(weight) * _series(rng, width, length) for length, weight in lengths])
    return np.asarray(standardised(streaks.sum(axis=0, keepdims=True))[0], np.float32)


def _series(rng: np.random.Generator, count: int, length: float) -> Field:
    """Unit-variance noise of ``count`` values with a correlation length."""
    return np.asarray(columns(rng, count, length)[0], np.float32)
