"""The specification of a plant whose cameras write frames of strip, and the geometry that follows from it."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from steelflow.synth.blemishes import DEFECTS
from steelflow.synth.camera import Camera
from steelflow.synth.coils import Place, check, dates, insist
from steelflow.synth.files import SHARD_KINDS, ShardKind
from steelflow.synth.steel import Window

Rates = Mapping[str, float]  # class to defects per 100 m of strip, on each side

# The ``archive.template`` that reads all values from a frame plant's keys; in shards, from the member names.
FRAME_TEMPLATE = "line={line}/date={date}/coil={coil}/{captured_at}_{position}m_{camera}_{side}_{frame}_{name}"

RATES: Rates = {
    "crazing": 4.0,
    "inclusion": 12.0,
    "patches": 6.0,
    "pitted_surface": 14.0,
    "rolled-in_scale": 8.0,
    "scratches": 8.0,
}
ROLLS: Mapping[str, float] = {"pinch roll": 120.0, "leveller": 180.0, "work roll": 330.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePlantSpec:
    """The specification of a plant of frames.

    The strip moves along the frame's rows: the first row of a coil's first frame shows its head. Frames follow each
    other without a gap, and the strip ends in the last one. The cameras of a side stand side by side; the outer ones
    see the strip's edges and the background beside them.

    Attributes:
        seed, lines, start, nights, coils, sharded, kinds, broken, quality, camera, cameras: as in ``PlantSpec``.
        frames: frames of each camera per coil.
        across: cameras across the strip, named c1, c2, …; each has an eye on each of the ``sides``.
        width, height: of a frame, pixels.
        mm: millimetres per pixel, along and across.
        overlap: pixels across that neighbouring cameras share.
        margin: pixels of background that the outer cameras see beside the strip.
        rates: defects per 100 m of strip on each side, by class; ``rates_at`` for a line, or a line and night.
        harmless: oil, drops and dust per 100 m of strip on each side.
        marked: share 0..1 of the coils that have a roll mark.
        rolls: diameters in millimetres of the rolls that may leave one.
    """

    seed: int = 0
    lines: tuple[str, ...] = ("L1", "L2")
    start: dt.date = dt.date(2026, 11, 1)
    nights: int = 3
    coils: int = 4
    frames: int = 60
    across: int = 2
    sides: tuple[str, ...] = ("top", "bottom")
    width: int = 1024
    height: int = 256
    mm: float = 0.6
    overlap: int = 32
    margin: int = 48
    rates: Rates = field(default_factory=lambda: RATES)
    rates_at: Mapping[Place, Rates] = field(default_factory=dict)
    harmless: float = 30.0
    marked: float = 0.25
    rolls: Mapping[str, float] = field(default_factory=lambda: ROLLS)
    sharded: float = 0.5
    kinds: tuple[ShardKind, ...] = SHARD_KINDS
    broken: int = 3
    camera: Camera = field(default_factory=Camera)
    cameras: Mapping[Place, Camera] = field(default_factory=dict)
    quality: int = 85

    def __post_init__(self) -> None:
        check(self)
        insist(min(self.frames, self.across) >= 1, "frames and cameras across must be at least 1")
        insist(len(set(self.sides)) == len(self.sides) > 0, f"sides {self.sides} must be distinct names, at least one")
        for side in self.sides:
            insist(side.isalnum(), f"side {side!r} may only have letters and digits")
        insist(min(self.width, self.height) >= 32, "frames must be at least 32 pixels wide and high")
        insist(self.mm > 0, f"mm {self.mm} must be above 0")
        insist(0 <= self.overlap < self.width, f"overlap {self.overlap} must be 0 or more, below the width")
        insist(0 <= self.margin < self.width // 4, f"margin {self.margin} must be 0 to a quarter of the width")
        insist(0 <= self.marked <= 1, f"marked {self.marked} must be 0 to 1")
        insist(self.harmless >= 0, f"harmless {self.harmless} must be 0 or more")
        insist(min(self.rolls.values(), default=1.0) > 0, "rolls: diameters must be above 0")
        insist(self.marked == 0 or len(self.rolls) > 0, "rolls: name one, or set marked to 0")
        images = self.coils * self.frames * self.across * len(self.sides)
        insist(0 <= self.broken <= images, f"broken {self.broken} must be 0 to the images of a night")
        for rates in (self.rates, *self.rates_at.values()):
            unknown = ", ".join(sorted(set(rates) - set(DEFECTS)))
            insist(not unknown, f"rates: no class {unknown}; the classes are {', '.join(DEFECTS)}")
            insist(min(rates.values(), default=0.0) >= 0, "rates: must be 0 or more")

    @property
    def dates(self) -> tuple[dt.date, ...]:
        return dates(self)

    @property
    def eyes(self) -> tuple[tuple[str, str], ...]:
        """Camera and side of every frame that a coil has at one position."""
        return tuple((f"c{number + 1}", side) for number in range(self.across) for side in sorted(self.sides))

    @property
    def strip_width(self) -> int:
        """Nominal width of the strip, pixels."""
        return self.across * (self.width - self.overlap) + self.overlap - 2 * self.margin

    def window(self, camera: str, number: int) -> Window:
        """The part of the strip that frame ``number`` (from 0) of a camera shows, pixels."""
        place = (int(camera[1:]) - 1) * (self.width - self.overlap) - self.margin
        return Window(place, number * self.height, self.width, self.height)

    def across_mm(self, camera: str) -> float:
        """From the strip's nominal edge to the first pixel of a camera's frame; the setting of that name."""
        return self.window(camera, 0).x * self.mm

    def metres(self, pixels: float) -> float:
        """Pixels along the strip as metres."""
        return pixels * self.mm / 1000


def frames_for(metres: float, spec: FramePlantSpec) -> int:
    """The number of frames that a camera takes of a strip of this length."""
    return math.ceil(metres * 1000 / spec.mm / spec.height)
