"""Plausible pictures of hot-rolled strip with one of the six defects of the NEU surface database.

The classes and their appearance follow K. Song and Y. Yan, "A noise robust method based on completed local binary
patterns for hot-rolled steel strip surface defects", Applied Surface Science 285 (2013). Every picture is
light × reflectance. Light is uneven along the strip and often too strong or too weak. Reflectance contains the grain of
the steel and the defect. The constants below were set by eye and by per-class statistics (mean, deviation, gradients).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from steelflow.errors import ConfigError
from steelflow.synth.fields import (
    Field,
    Polygon,
    blurred,
    brushed,
    columns,
    covering,
    painted,
    ramp,
    smooth,
    spindle,
    standardised,
    step,
    walk,
)

Grey = npt.NDArray[np.uint8]

_SENSOR_NOISE = 1.1  # grey values, standard deviation


def surface(label: str, rng: np.random.Generator, size: int = 200) -> Grey:
    """One picture of a surface with the defect ``label``.

    Returns:
        uint8 of shape (size, size), 0 black to 255 white. The same state of ``rng`` gives the same picture.

    Raises:
        ConfigError: ``label`` is not one of ``CLASSES``.
    """
    try:
        draw = _DRAW[label]
    except KeyError:
        raise ConfigError(f"no synthetic surface {label!r}; choose one of {', '.join(CLASSES)}") from None
    exposed = draw(rng, size) + np.float32(_SENSOR_NOISE) * rng.standard_normal((size, size), dtype=np.float32)
    return np.clip(exposed + np.float32(0.5), 0, 255).astype(np.uint8)


def _crazing(rng: np.random.Generator, size: int) -> Field:
    """A net of fine dark cracks, mostly across the strip, on coarse bright grain; some become black pits."""
    light = _lit(
        rng, size, level=_normal(rng, 152, 24, 70, 210), tilt=rng.uniform(0, 0.14), bands=rng.uniform(0.03, 0.11)
    )
    if rng.random() < 0.3:
        light = light * (1 - rng.uniform(0.2, 0.5) * step(ramp(size, rng.choice([0, 180])) - rng.uniform(0.2, 1), 1.2))
    cracks = []
    for _ in range(rng.integers(20, 48)):
        x, y = rng.uniform(-25, size, 2)
        cracks.append((walk(rng, x, y, steps=int(rng.integers(8, 45)), stride=2.2, turn=0.45), rng.uniform(0.3, 1)))
    fade = np.clip(0.75 + 0.5 * smooth(rng, size, 5, 5), 0.0, 1.3)
    fine, wide = painted(size, cracks, filled=False, blur=0.7), painted(size, cracks[::5], filled=False, blur=1.1)
    lines = np.clip(fade * (1.25 * fine + rng.uniform(0.2, 1.6) * wide), 0, 1)
    pits = _specks(rng, size, share=rng.uniform(-0.01, 0.008), x=1.5, y=2.2)
    grain = 0.12 * smooth(rng, size, 0.68, 0.78) + 0.06 * smooth(rng, size, 1.9, 2.2)
    grain += 0.04 * brushed(rng, size, 9, 0.8, rng.uniform(2, 20)) + 0.035 * smooth(rng, size, 1.0, 14)
    picture: Field = light * np.exp(grain) * (1 - rng.uniform(0.5, 0.72) * lines) * (1 - 0.7 * pits)
    return picture


def _inclusion(rng: np.random.Generator, size: int) -> Field:
    """Dark slivers along the strip, in strings, on a smooth surface."""
    bright = rng.random() < 0.13
    level = _normal(rng, 190, 20, 150, 225) if bright else _normal(rng, 98, 20, 55, 145)
    light = _lit(rng, size, level=level, tilt=rng.uniform(0.02, 0.26), bands=rng.uniform(0.01, 0.07))
    grain = rng.uniform(0.01, 0.028) * smooth(rng, size, 0.9, 1.6) + 0.009 * smooth(rng, size, 2, 20)
    grain += rng.uniform(0, 0.035) * smooth(rng, size, 9, 14)
    slivers: list[tuple[Polygon, float]] = []
    for _ in range(rng.integers(1, 4)):
        x = rng.uniform(0.08, 0.92) * size
        heavy = rng.random() < 0.45
        for _ in range(rng.integers(2, 9)):
            width = rng.gamma(3.0, 2.4 if heavy else 0.9) + 1.5
            length = width * rng.uniform(4, 14) + 6
            place, lean = x + rng.normal(0, 2.5 + 0.6 * width), rng.normal(0, 0.03)
            sliver = spindle(rng, place, rng.uniform(0, size), length, width, slope=lean, wander=0.3)
            slivers.append((sliver, rng.uniform(0.4, 1)))
    depth = rng.uniform(0.12, 0.2) if bright else rng.uniform(0.18, 0.42)
    mask = painted(size, slivers, filled=True, blur=rng.uniform(0.8, 1.4))
    halo = blurred(mask, 5)
    picture: Field = light * (1 + grain) * (1 - depth * mask * (1 + 0.15 * smooth(rng, size, 2, 5))) * (1 - 0.1 * halo)
    return picture.T if rng.random() < 0.06 else picture


def _patches(rng: np.random.Generator, size: int) -> Field:
    """Large dark blots with fuzzy edges on coarse, glaring steel, often with clumps of black specks."""
    light = _lit(
        rng, size, level=_normal(rng, 172, 52, 60, 280), tilt=rng.uniform(0, 0.2), bands=rng.uniform(0.08, 0.32)
    )
    rough = 0.26 * smooth(rng, size, 5, 6) + 0.13 * smooth(rng, size, 1.4, 1.7)
    shape = smooth(rng, size, rng.uniform(12, 20), rng.uniform(14, 38)) + rough
    share, softness = rng.uniform(0.05, 0.28), rng.uniform(0.5, 1.4)
    blots = covering(shape, share, softness) - rng.uniform(-0.15, 0.2) * covering(shape, 0.5 * share, softness)
    near = covering(shape, 0.5, 1.8)
    specks = _specks(rng, size, share=rng.uniform(-0.02, 0.022), x=1.3, y=1.1)
    grain = 0.11 * smooth(rng, size, 0.75, 0.95) + 0.07 * smooth(rng, size, 1.5, 4.5)
    grain += 0.05 * brushed(rng, size, 12, 1.0, rng.uniform(5, 25)) + 0.06 * smooth(rng, size, 12, 16)
    picture: Field = (
        light * np.exp(grain) * (1 - rng.uniform(0.55, 0.75) * blots) * (1 - 0.15 * near) * (1 - 0.75 * specks)
    )
    return picture


def _pitted_surface(rng: np.random.Generator, size: int) -> Field:
    """Many small shallow pits of varying density, under light that often saturates."""
    dark = rng.random() < 0.3
    level = _normal(rng, 115, 22, 75, 150) if dark else _normal(rng, 212, 28, 150, 270)
    light = _lit(rng, size, level=level, tilt=rng.uniform(0.05, 0.5 if dark else 0.3), bands=rng.uniform(0.01, 0.07))
    dense = step(smooth(rng, size, 40, 60) + rng.uniform(-0.4, 1.6), 2.0)
    mottle = covering(smooth(rng, size, 1.1, rng.uniform(1.2, 1.9)), rng.uniform(0.3, 0.45), 3.0)
    mottle = mottle * (0.15 + 0.85 * dense)
    pits = covering(smooth(rng, size, 1.6, 2.4) + 0.6 * smooth(rng, size, 14, 14), rng.uniform(0.0, 0.045), 1.3)
    grain = 0.018 * smooth(rng, size, 0.7, 0.8) + 0.012 * smooth(rng, size, 1.5, 14) + 0.03 * smooth(rng, size, 12, 16)
    if rng.random() < 0.25:
        light = light * _seam(rng, size)
    if rng.random() < 0.12:
        stain = covering(smooth(rng, size, 9, 12) + 0.4 * smooth(rng, size, 2, 2), rng.uniform(0.005, 0.06), 0.9)
        light = light * (1 - rng.uniform(0.2, 0.45) * stain)
    picture: Field = light * (1 + grain) * (1 - rng.uniform(0.1, 0.34) * mottle) * (1 - rng.uniform(0.15, 0.35) * pits)
    return picture


def _rolled_in_scale(rng: np.random.Generator, size: int) -> Field:
    """Clusters of small dark smudges with a bright edge, in steel with diagonal grain."""
    level = _normal(rng, 78, 7, 62, 95) if rng.random() < 0.25 else _normal(rng, 136, 13, 100, 170)
    light = _lit(rng, size, level=level, tilt=rng.uniform(0, 0.1), bands=rng.uniform(0.02, 0.11))
    slant = rng.uniform(0, 20)
    grain = 0.06 * smooth(rng, size, 0.62, 0.6) + 0.03 * smooth(rng, size, 1.6, 1.1)
    grain += 0.035 * brushed(rng, size, 9, 0.9, slant) + 0.02 * brushed(rng, size, 28, 1.6, slant)
    grain += 0.045 * smooth(rng, size, 12, 9)
    cluster = standardised(smooth(rng, size, 14, 26) + 0.6 * smooth(rng, size, 6, 6))
    smudges = covering(smooth(rng, size, 2.5, 1.3) + 0.9 * cluster, rng.uniform(0.02, 0.065), 1.4)
    smudges = blurred(smudges, 0.9) * np.clip(0.9 + 0.4 * smooth(rng, size, 2, 1), 0.2, 1.4)
    edge = np.roll(smudges, (3, int(rng.integers(-2, 3))), axis=(0, 1))
    picture: Field = light * (1 + grain) * (1 - rng.uniform(0.28, 0.45) * smudges) * (1 + 0.2 * edge * (1 - smudges))
    return picture


def _scratches(rng: np.random.Generator, size: int) -> Field:
    """Bright lines along or across a smooth, dim strip: single, in bundles, as dashes or as a fan."""
    light = _lit(
        rng, size, level=_normal(rng, 94, 28, 32, 160), tilt=rng.uniform(0, 0.2), bands=rng.uniform(0.03, 0.13)
    )
    grain = 0.022 * smooth(rng, size, 0.9, 1.2) + rng.uniform(0.01, 0.035) * smooth(rng, size, 1.6, 25)
    grain += rng.uniform(0, 0.035) * smooth(rng, size, 10, 14)
    kind = rng.choice(list(_STROKES), p=[0.42, 0.33, 0.17, 0.08])
    mask = painted(size, _STROKES[kind](rng, size), filled=True, blur=rng.uniform(0.6, 1.0))
    wear = np.clip(0.85 + 0.13 * smooth(rng, size, 0.9, 3) + 0.16 * smooth(rng, size, 4, 9), 0.2, 1.25)
    glow = blurred(mask, 4)
    shine = rng.uniform(70, 270)
    picture: Field = light * (1 + grain) + shine * (mask * wear + 0.1 * glow)
    return picture.T if rng.random() < 0.4 else picture


def _lines(rng: np.random.Generator, size: int) -> list[tuple[Polygon, float]]:
    slope = rng.normal(0, 0.02)
    strokes = []
    for _ in range(rng.integers(1, 6)):
        x, y = rng.uniform(0.05, 0.95) * size, rng.uniform(0, 1) * size
        length, width = size * rng.choice([0.4, 0.9, 2.2]), rng.uniform(1.0, 3.6)
        strokes.append((spindle(rng, x, y, length, width, slope=slope, taper=0.5), rng.uniform(0.2, 1)))
    return strokes


def _bundle(rng: np.random.Generator, size: int) -> list[tuple[Polygon, float]]:
    """Close parallel lines on a faint common background, as left by a roll or a guide."""
    x, slope, spread = rng.uniform(0.1, 0.9) * size, rng.normal(0, 0.012), rng.uniform(3, 14)
    length = 2.5 * size

    def line(offset: float, width: float) -> Polygon:
        return spindle(rng, x + offset, size / 2, length, width, slope=slope, taper=0.1, wander=0.015, ragged=0.04)

    strokes = [(line(0, 2.2 * spread), rng.uniform(0.1, 0.5))]
    strokes += [
        (line(rng.uniform(-spread, spread), rng.uniform(1, 5)), rng.uniform(0.3, 1)) for _ in range(rng.integers(2, 8))
    ]
    return strokes


def _dashes(rng: np.random.Generator, size: int) -> list[tuple[Polygon, float]]:
    slope, centre = rng.normal(0, 0.06), rng.uniform(0, size)
    strokes = []
    for _ in range(rng.integers(5, 20)):
        x, y, length = centre + rng.normal(0, 45), rng.uniform(0, size), rng.gamma(1.6, 16) + 5
        dash = spindle(rng, x, y, length, rng.uniform(1, 3), slope=slope + rng.normal(0, 0.02), taper=1)
        strokes.append((dash, rng.uniform(0.2, 1)))
    return strokes


def _fan(rng: np.random.Generator, size: int) -> list[tuple[Polygon, float]]:
    """Lines from one point: a hard particle that dug in and broke up."""
    x, y, lean = rng.uniform(0.2, 0.8) * size, rng.uniform(-0.1, 0.4) * size, rng.normal(0, 0.25)
    strokes = []
    for _ in range(rng.integers(3, 8)):
        slope, length, start = lean + rng.normal(0, 0.1), rng.uniform(60, 190), rng.uniform(0, 40)
        middle = start + length / 2
        line = spindle(rng, x + slope * middle, y + middle, length, rng.uniform(1.2, 4), slope=slope, wander=0.2)
        strokes.append((line, rng.uniform(0.5, 1)))
    return strokes


def _specks(rng: np.random.Generator, size: int, share: float, x: float, y: float) -> Field:
    """Small black specks on ``share`` of the picture, in a few clumps; none if the share is not positive."""
    if share <= 0:
        return np.zeros((size, size), np.float32)
    clumps = covering(smooth(rng, size, x, y) + 1.3 * smooth(rng, size, 12, 14), share, 0.8)
    return blurred(clumps, 0.7)


def _seam(rng: np.random.Generator, size: int) -> Field:
    """A ragged border along the strip, with different brightness on each side."""
    border = ramp(size, 0) + rng.uniform(-0.8, 0.8) + 0.012 * columns(rng, size, 3).T + 0.1 * ramp(size, 90)
    return 1 - rng.uniform(-0.12, 0.2) * step(border, 0.02)


def _lit(rng: np.random.Generator, size: int, *, level: float, tilt: float, bands: float) -> Field:
    """Light of ``level`` grey values that decreases to one side by ``tilt`` and has streaks along the strip."""
    across = np.clip(1 + bands * (columns(rng, size, 28) + 0.35 * columns(rng, size, 5)), 0.1, None)
    return (
        np.float32(level)
        * across
        * (1 + np.float32(tilt) * ramp(size, rng.choice([0, 90, 180, 270]) + rng.normal(0, 15)))
    )


def _normal(rng: np.random.Generator, mean: float, std: float, low: float, high: float) -> float:
    return float(np.clip(rng.normal(mean, std), low, high))


_STROKES: dict[str, Callable[[np.random.Generator, int], list[tuple[Polygon, float]]]] = {
    "lines": _lines,
    "bundle": _bundle,
    "dashes": _dashes,
    "fan": _fan,
}

_DRAW: dict[str, Callable[[np.random.Generator, int], Field]] = {
    "crazing": _crazing,
    "inclusion": _inclusion,
    "patches": _patches,
    "pitted_surface": _pitted_surface,
    "rolled-in_scale": _rolled_in_scale,
    "scratches": _scratches,
}

CLASSES: tuple[str, ...] = tuple(_DRAW)
