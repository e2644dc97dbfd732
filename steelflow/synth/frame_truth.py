"""The truth of a frame plant: every defect of every frame with its box and its pixels, and the list of frames.

Both are Parquet, one file per line and night: ``truth/date=…/line=….parquet`` and ``frames/date=…/line=….parquet``.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from steelflow.synth.coils import Coil, coils
from steelflow.synth.frame_spec import FramePlantSpec
from steelflow.synth.frames import Frame, frames
from steelflow.synth.layout import Seen, laid, seen

Mask = npt.NDArray[np.bool_]

_Type = pl.DataType | type[pl.DataType]
_PLACE: dict[str, _Type] = {
    "object_key": pl.String,
    "member": pl.String,
    "ordinal": pl.Int32,
    "line": pl.String,
    "date": pl.Date,
    "coil": pl.String,
    "camera": pl.String,
    "side": pl.String,
    "frame": pl.Int32,
}

FRAMES = pl.Schema(
    {
        **_PLACE,
        "position": pl.Float64,  # metres from the coil's head to the first row
        "length": pl.Float64,  # metres of strip in the frame
    }
)
"""Columns of the list of frames: one row per readable frame."""

_DEFECT: dict[str, _Type] = {
    "defect": pl.String,  # unique in the coil: a long defect is in several frames
    "label": pl.String,
    "x": pl.Int32,  # box in pixels of the frame
    "y": pl.Int32,
    "width": pl.Int32,
    "height": pl.Int32,
    "area": pl.Int32,  # pixels of the mask
    "along": pl.Float64,  # metres from the coil's head to the centre of the box
    "across_mm": pl.Float64,  # from the strip's nominal edge to the centre of the box
    "roll_mark": pl.String,  # the roll that left it; null for all other defects
    "mask": pl.List(pl.Int32),  # run lengths in the box, row by row, the first outside the mask; see ``mask_of``
}

DEFECTS = pl.Schema(_PLACE | _DEFECT)
"""Columns of the truth: one row per defect and frame. A good frame has no row."""


def truth_of(spec: FramePlantSpec, coil: Coil) -> pl.DataFrame:
    """The defects of a coil, columns ``DEFECTS``. Fast, because it draws no pictures."""
    layouts = {side: laid(spec, coil, side) for side in spec.sides}
    rows = []
    for frame in frames(spec, coil):
        window = spec.window(frame.camera, frame.number)
        rows += [_row(spec, frame, one) for one in seen(layouts[frame.side], window)]
    return pl.DataFrame(rows, DEFECTS, orient="row")


def frames_of(spec: FramePlantSpec, coil: Coil) -> pl.DataFrame:
    """The readable frames of a coil, columns ``FRAMES``."""
    rows = [(*_place(frame), frame.number, frame.position, frame.length) for frame in frames(spec, coil)]
    return pl.DataFrame(rows, FRAMES, orient="row")


def mask_of(row: dict[str, Any], height: int, width: int) -> Mask:
    """The pixels of one truth row in its frame.

    Args:
        row: a row of the truth, as ``frame.row(0, named=True)`` gives it.
        height, width: of the frame, pixels.

    Returns:
        bool of shape (height, width).
    """
    runs = np.asarray(row["mask"], np.int64)
    inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(row["height"], row["width"])
    whole = np.zeros((height, width), np.bool_)
    whole[row["y"] : row["y"] + row["height"], row["x"] : row["x"] + row["width"]] = inside
    return whole


def runs_of(mask: Mask) -> list[int]:
    """Run lengths of a mask, row by row: outside, inside, outside, …; the first may be 0."""
    flat = mask.ravel()
    turns = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate(([0], turns, [flat.size])))
    return ([0] if flat[0] else []) + [int(run) for run in runs]


def truth_files(spec: FramePlantSpec) -> Iterator[tuple[str, bytes]]:
    """The truth and the lists of frames as (path, Parquet bytes), one night of one line after the other."""
    of_night: dict[tuple[str, dt.date], list[Coil]] = {}
    for coil in coils(spec):
        of_night.setdefault((coil.line, coil.date), []).append(coil)
    for (line, date), those in of_night.items():
        path = f"date={date.isoformat()}/line={line}.parquet"
        yield f"truth/{path}", _parquet(pl.concat(truth_of(spec, coil) for coil in those))
        yield f"frames/{path}", _parquet(pl.concat(frames_of(spec, coil) for coil in those))


def _row(spec: FramePlantSpec, frame: Frame, one: Seen) -> tuple[Any, ...]:
    height, width = one.mask.shape
    along = frame.position + spec.metres(one.y + height / 2)
    across = spec.across_mm(frame.camera) + (one.x + width / 2) * spec.mm
    box = one.x, one.y, width, height, int(one.mask.sum())
    placed = one.placed
    return (
        *_place(frame),
        frame.number,
        placed.defect,
        placed.label,
        *box,
        along,
        across,
        placed.roll,
        runs_of(one.mask),
    )


def _place(frame: Frame) -> tuple[Any, ...]:
    coil = frame.coil
    return frame.key, frame.member, frame.ordinal, coil.line, coil.date, coil.name, frame.camera, frame.side


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()
