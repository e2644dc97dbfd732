"""Regions of defect, as the pages show them: Polars in, Polars out, no Streamlit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any

import polars as pl

COLUMNS = (
    *("object_key", "member", "ordinal", "region", "line", "date", "coil", "camera", "side", "label", "score"),
    *("severity", "x", "y", "width", "height", "area", "along", "across_mm", "length_mm", "width_mm", "area_mm2"),
)
"""Columns of ``schema.region_schema`` that pages use."""

NO_SEVERITY = "no rule"
_BOUNDS = {"mm²": (1, 10, 100, 1000), "pixels": (100, 1000, 10_000, 100_000)}
Box = tuple[int, int, int, int]


def unit_of_size(regions: pl.DataFrame) -> str:
    """mm² if the area of every region is known in it, otherwise pixels."""
    return "mm²" if regions["area_mm2"].null_count() == 0 else "pixels"


def bands(unit: str) -> list[str]:
    """The names of the bands of size, ascending."""
    bounds = [f"{bound:,}" for bound in _BOUNDS[unit]]
    between = [f"{low}–{high}" for low, high in pairwise(bounds)]
    return [f"< {bounds[0]}", *between, f"≥ {bounds[-1]}"]


def with_size(regions: pl.DataFrame) -> pl.DataFrame:
    """The regions with ``size``: the name of the band of their area, in the unit of ``unit_of_size``."""
    unit = unit_of_size(regions)
    area = pl.col("area_mm2" if unit == "mm²" else "area").cast(pl.Float64)
    names = bands(unit)
    number = pl.sum_horizontal([(area >= bound).cast(pl.UInt8) for bound in _BOUNDS[unit]])
    return regions.with_columns(size=number.replace_strict(dict(enumerate(names)), return_dtype=pl.String))


def chosen(
    regions: pl.DataFrame,
    labels: Collection[str] = (),
    severities: Collection[str] = (),
    lines: Collection[str] = (),
) -> pl.DataFrame:
    """The regions of these classes, severities and lines. Empty means all; ``NO_SEVERITY`` is that of no rule."""
    kept = regions
    if labels:
        kept = kept.filter(pl.col("label").is_in(list(labels)))
    if severities:
        kept = kept.filter(pl.col("severity").fill_null(NO_SEVERITY).is_in(list(severities)))
    return kept.filter(pl.col("line").is_in(list(lines))) if lines else kept


def by_class(regions: pl.DataFrame, strip: float | None = None) -> pl.DataFrame:
    """``label``, ``regions``, ``images`` that have one, ``area`` in pixels, and ``rate`` per 100 m of ``strip``; most
    frequent first."""
    counted = regions.group_by("label").agg(
        pl.len().alias("regions"),
        pl.struct("object_key", "member", "ordinal").n_unique().alias("images"),
        pl.col("area").sum(),
    )
    rate = pl.lit(None, pl.Float64) if not strip else 100 * pl.col("regions") / strip
    return counted.with_columns(rate=rate).sort("regions", "label", descending=[True, False])


def by_severity(regions: pl.DataFrame) -> pl.DataFrame:
    """``label``, ``severity`` and ``regions``."""
    named = regions.with_columns(pl.col("severity").fill_null(NO_SEVERITY))
    return named.group_by("label", "severity").agg(pl.len().alias("regions")).sort("label", "severity")


def by_size(regions: pl.DataFrame) -> pl.DataFrame:
    """``label``, ``size`` and ``regions``."""
    counted = with_size(regions).group_by("label", "size").agg(pl.len().alias("regions"))
    return counted.sort("label", "size")


def largest_first(regions: pl.DataFrame) -> pl.DataFrame:
    """The regions with the highest score first; of equal ones the larger."""
    order = ["score", "area", "object_key", "ordinal", "region"]
    return regions.sort(order, descending=[True, True, False, False, False])


def box(row: Mapping[str, Any]) -> Box | None:
    """x, y, width and height of a row; None if it is of a whole image."""
    if row.get("x") is None:
        return None
    return row["x"], row["y"], row["width"], row["height"]


def place(row: Mapping[str, Any]) -> str:
    """Where a region lies on the strip, as far as it is known: 12.3 m, 410 mm from the edge, top, c1."""
    along, across = row.get("along"), row.get("across_mm")
    parts = [f"{along:,.1f} m" if along is not None else "", f"{across:,.0f} mm across" if across is not None else ""]
    return ", ".join(part for part in (*parts, row.get("side") or "", row.get("camera") or "") if part)


def size(row: Mapping[str, Any]) -> str:
    """How large a region is: 12 × 3 mm along × across, or its pixels across × along."""
    if row.get("length_mm") is not None and row.get("width_mm") is not None:
        return f"{row['length_mm']:,.0f} × {row['width_mm']:,.0f} mm"
    return f"{row['width']} × {row['height']} pixels"
