"""Positions of images along coils: Polars in, Polars out, no Streamlit."""

from __future__ import annotations

import math
from typing import cast

import polars as pl

from steelflow.strip.rolls import DIRT

_LONGEST = 10_000.0  # metres. Larger positions count the line's metres, not the coil's
SEGMENTS = 80  # number of segments of a coil; sometimes one more


def placed(images: pl.DataFrame) -> tuple[pl.DataFrame, bool]:
    """A coil's images with ``place``, ascending, and whether ``place`` is in metres from the head.

    If the archive has positions, ``place`` is the position, and images without one are left out. Otherwise it is the
    image's number.

    Args:
        images: has ``position``, in the order of the coil.
    """
    known = images.filter(pl.col("position").is_finite())
    if known.is_empty():
        return images.with_columns(place=pl.int_range(1, pl.len() + 1)), False
    return known.with_columns(place=pl.col("position")).sort("place", maintain_order=True), True


def segments(images: pl.DataFrame) -> pl.DataFrame:
    """Images by coil, segment and class: ``coil``, ``start`` and ``end`` in metres, ``label``, ``images``.

    All segments of all coils have the same round length, so the same place of two coils is in the same segment.
    Segments without images, and images without a position, are left out.

    Args:
        images: has ``coil``, ``position`` and ``label`` (null: unreadable).
    """
    known = images.filter(pl.col("position").is_finite())
    low, high = (cast(float | None, end) or 0.0 for end in (known["position"].min(), known["position"].max()))
    length = round_length((high - low) / SEGMENTS)
    start = (pl.col("position") / length).floor() * length
    grouped = known.group_by("coil", start.alias("start"), "label").agg(pl.len().alias("images"))
    return grouped.select("coil", "start", (pl.col("start") + length).alias("end"), "label", "images").sort(
        "coil", "start", "label"
    )


def scale(segments: pl.DataFrame) -> tuple[float, float] | None:
    """The range from the head (or a position before it) to the last segment of any coil. None without positions."""
    if segments.is_empty():
        return None
    low, high = cast(float, segments["start"].min()), cast(float, segments["end"].max())
    return (min(0.0, low) if high < _LONGEST else low), high


def named_marks(marks: pl.DataFrame) -> pl.DataFrame:
    """Marks that repeat along a coil, with a ``name``: the roll, the period or "camera dirt"; and the side if the coil
    has two.

    Args:
        marks: columns ``steelflow.strip.rolls.MARKS``.
    """
    period = pl.concat_str(pl.col("period_mm").round(0).cast(pl.Int64), pl.lit(" mm"))
    name = pl.coalesce("roll", period)
    if "cause" in marks.columns:  # marks of an older version have none
        dirt = pl.concat_str("cause", "camera", separator=" ", ignore_nulls=True)
        name = pl.when(pl.col("cause") == DIRT).then(dirt).otherwise(name)
    if marks["side"].drop_nulls().n_unique() > 1:
        name = pl.concat_str(name, pl.coalesce("side", pl.lit("")), separator=" ")
    return marks.with_columns(name.alias("name"))


def round_length(least: float) -> float:
    """The smallest of 1, 2, 5, 10, 20, 50, … metres that is at least ``least``."""
    power = 10.0 ** max(0, math.floor(math.log10(max(least, 1.0))))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least)
