"""Where a coil has its defects, its roll marks and its harmless marks, and which of them a frame shows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from steelflow.synth.blemishes import DEFECTS, Blemish, Mask, defect, harmless, roll_mark
from steelflow.synth.coils import Coil, at, generator
from steelflow.synth.frame_spec import FramePlantSpec
from steelflow.synth.steel import Steel, Window, on_strip, steel

ROLL_MARK_LABEL = "pitted_surface"  # a roll mark is a dent like a pit; ``roll_mark`` of the truth tells them apart
_STRETCH = 4096  # pixels along the strip whose blemishes are drawn from one generator
_CLEAR = 14  # pixels between the strip's nominal edge and a blemish


@dataclass(frozen=True, slots=True)
class Placed:
    """A blemish on one side of a coil. ``x`` and ``y`` are its first column and row, in pixels of the strip.

    ``label`` is None for a harmless mark. ``defect`` is unique in the coil. ``roll`` names the roll that left it.
    """

    defect: str
    label: str | None
    x: int
    y: int
    blemish: Blemish
    roll: str | None = None

    def meets(self, window: Window) -> bool:
        height, width = self.blemish.mask.shape
        across = self.x < window.x + window.width and window.x < self.x + width
        return across and self.y < window.y + window.height and window.y < self.y + height


@dataclass(frozen=True, slots=True)
class Laid:
    """One side of a coil: its steel and everything on it."""

    steel: Steel
    placed: tuple[Placed, ...]


class Seen(NamedTuple):
    """A defect in a frame: its box in pixels of the frame, and its mask in the box."""

    placed: Placed
    x: int
    y: int
    mask: Mask


def laid(spec: FramePlantSpec, coil: Coil, side: str) -> Laid:
    """Lay out one side of a coil."""
    place, length = (coil.line, coil.date, coil.name), strip_length(spec, coil)
    own = steel(
        generator(spec.seed, coil.line, side, "steel"),
        generator(spec.seed, *place, side, "steel"),
        spec.strip_width,
        length,
    )
    placed = [one for number in range(math.ceil(length / _STRETCH)) for one in _stretch(spec, coil, side, number)]
    return Laid(own, tuple(placed + _roll_marks(spec, coil, side, length)))


def strip_length(spec: FramePlantSpec, coil: Coil) -> int:
    """Pixels from the coil's head to its tail, which is in the last frame."""
    end = generator(spec.seed, coil.line, coil.date, coil.name, "length").uniform(0.35, 0.9)
    return int((spec.frames - 1 + end) * spec.height)


def seen(here: Laid, window: Window) -> list[Seen]:
    """The defects in a window, without what is off the strip."""
    found = []
    strip = on_strip(here.steel, window)
    for one in here.placed:
        if one.label is None or not one.meets(window):
            continue
        whole, part = overlap(one, window)
        mask = one.blemish.mask[part]
        if strip is not None:
            mask = mask & strip[whole]
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if len(rows):
            top, left = int(rows[0]), int(columns[0])
            cut = mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
            found.append(Seen(one, whole[1].start + left, whole[0].start + top, cut))
    return found


def overlap(one: Placed, window: Window) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Rows and columns that a blemish and a window share: in the window, and in the blemish."""
    height, width = one.blemish.mask.shape
    top, left = max(one.y, window.y), max(one.x, window.x)
    bottom, right = min(one.y + height, window.y + window.height), min(one.x + width, window.x + window.width)
    return (
        (slice(top - window.y, bottom - window.y), slice(left - window.x, right - window.x)),
        (slice(top - one.y, bottom - one.y), slice(left - one.x, right - one.x)),
    )


def _stretch(spec: FramePlantSpec, coil: Coil, side: str, number: int) -> list[Placed]:
    """The blemishes whose centres are in one stretch of the coil, but for roll marks."""
    rng = generator(spec.seed, coil.line, coil.date, coil.name, side, "stretch", number)
    share = spec.metres(_STRETCH) / 100
    rates = at(spec.rates_at, coil, spec.rates)
    kinds = [label for label in DEFECTS for _ in range(rng.poisson(rates.get(label, 0.0) * share))]
    drawn = [(label, defect(label, rng)) for label in kinds]
    drawn += [("", harmless(rng)) for _ in range(rng.poisson(spec.harmless * share))]
    placed = []
    for index, (label, blemish) in enumerate(drawn):
        height, width = blemish.mask.shape
        x = _across(rng, spec, width)
        y = number * _STRETCH + int(rng.integers(_STRETCH)) - height // 2
        placed.append(Placed(f"{side}-{number}-{index}", label or None, x, y, blemish))
    return placed


def _roll_marks(spec: FramePlantSpec, coil: Coil, side: str, length: int) -> list[Placed]:
    """The marks of a damaged roll: the same dent at one place across, once per turn of the roll."""
    rng = generator(spec.seed, coil.line, coil.date, coil.name, "roll")
    if rng.random() >= spec.marked or spec.sides[int(rng.integers(len(spec.sides)))] != side:
        return []
    roll = sorted(spec.rolls)[int(rng.integers(len(spec.rolls)))]
    turn = math.pi * spec.rolls[roll] / spec.mm
    blemish = roll_mark(rng)
    x = _across(rng, spec, blemish.mask.shape[1])
    first = rng.uniform(0, turn)
    marks = range(max(0, math.ceil((length - first) / turn)))
    return [
        Placed(f"{side}-{roll}-{mark}", ROLL_MARK_LABEL, x, round(first + mark * turn), blemish, roll) for mark in marks
    ]


def _across(rng: np.random.Generator, spec: FramePlantSpec, width: int) -> int:
    return int(rng.integers(_CLEAR, max(_CLEAR + 1, spec.strip_width - _CLEAR - width)))
