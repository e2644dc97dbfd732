"""Pixels of a frame as millimetres and metres of the strip."""

from __future__ import annotations

from dataclasses import dataclass

from steelflow.config import CameraSettings, LineFrame

NAN = float("nan")
_HERE = CameraSettings()


@dataclass(frozen=True, slots=True)
class Scale:
    """Millimetres per pixel along and across the strip, and where the frame begins; NaN where it is not known.

    ``along`` says which side of the frame runs along the strip. ``position`` is metres from the coil's head to the
    frame's first row, ``across`` millimetres from the strip's edge to its first column (or the other way round, if the
    strip moves along the width).
    """

    mm_along: float
    mm_across: float
    position: float
    across: float
    turned: bool

    def length(self, height: int, width: int) -> float:
        """Metres of strip that a frame of ``height`` × ``width`` pixels shows."""
        return (width if self.turned else height) * self.mm_along / 1000

    def place(self, x: int, y: int, width: int, height: int) -> tuple[float, float, float, float]:
        """Of a box in pixels: metres from the coil's head and millimetres across to its centre, and its length and
        width in millimetres."""
        first, last, size, breadth = (x, y, width, height) if self.turned else (y, x, height, width)
        along = self.position + (first + size / 2) * self.mm_along / 1000
        across = self.across + (last + breadth / 2) * self.mm_across
        return along, across, size * self.mm_along, breadth * self.mm_across


def scale_of(
    frame: LineFrame, camera: str | None, position: float | None, mm_along: float | None, mm_across: float | None
) -> Scale:
    """The scale of one frame: what its sidecar says, else what the settings of its line say.

    With cameras in the settings, the place across of an unknown camera is not known. Without, it counts from the
    frame's first pixel.
    """
    seen = frame.cameras.get(camera or "") if frame.cameras else _HERE
    return Scale(
        mm_along=mm_along or frame.mm_along or NAN,
        mm_across=mm_across or frame.mm_across or NAN,
        position=NAN if position is None else position,
        across=NAN if seen is None else seen.across_mm,
        turned=frame.along == "width",
    )
