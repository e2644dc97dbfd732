"""Regions of coils: marks of a roll, and false alarms at random places."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl

from steelflow.schema import region_schema

COLUMNS = pl.DataFrame(region_schema().empty_table()).schema
NIGHT = dt.date(2026, 11, 18)


def regions(
    along: Any,
    across: Any,
    *,
    coil: str = "C1",
    side: str | None = "top",
    line: str = "L1",
    label: str = "roll_mark",
    length: Any = 4.0,
    **more: Any,
) -> pl.DataFrame:
    """Region rows at these places: ``along`` in metres, ``across`` and ``length`` in millimetres."""
    along = np.asarray(along, float)
    many = along.size
    values: dict[str, Any] = {
        "object_key": [f"{coil}/{number:05d}.jpg" for number in range(many)],
        "ordinal": 0,
        "region": 0,
        "line": line,
        "date": NIGHT,
        "coil": coil,
        "side": side,
        "label": label,
        "score": 0.9,
        **dict.fromkeys(("x", "y", "width", "height", "area", "views"), 10),
        "along": along,
        "across_mm": np.broadcast_to(np.asarray(across, float), many),
        "length_mm": np.broadcast_to(np.asarray(length, float), many),
        "width_mm": 4.0,
        "area_mm2": 12.0,
        **dict.fromkeys(("model_name", "model_version", "model_digest", "unit_id", "run_id"), "x"),
    }
    given = values | more
    columns = [pl.lit(None).alias(name) if name not in given else _column(name, given[name], many) for name in COLUMNS]
    return pl.select(pl.int_range(many).alias("row")).with_columns(columns).select(COLUMNS.names()).cast(dict(COLUMNS))


def _column(name: str, value: Any, many: int) -> pl.Expr:
    listed = isinstance(value, list | np.ndarray)
    return pl.lit(pl.Series(name, value) if listed else value).alias(name) if many else pl.lit(None).alias(name)


def roll(
    rng: np.random.Generator,
    period_mm: float,
    marks: int,
    *,
    missing: float = 0.3,
    jitter_mm: float = 10.0,
    across_mm: float = 600.0,
    start: float = 0.0,
    stretch: float = 0.0,
    **more: Any,
) -> pl.DataFrame:
    """Marks of a roll from ``start`` metres on; ``stretch`` is the share by which the period grows to the end."""
    turns = round(marks / (1 - missing))
    kept = np.sort(rng.permutation(turns)[:marks])
    place = (kept * (1 + stretch * kept / (2 * turns)) + rng.uniform()) * period_mm
    off = rng.uniform(-jitter_mm, jitter_mm, marks)
    return regions(start + (place + off) / 1000, across_mm + rng.uniform(-8, 8, marks), **more)


def noise(rng: np.random.Generator, many: int, metres: float, width_mm: float = 1500.0, **more: Any) -> pl.DataFrame:
    """False alarms anywhere on the strip."""
    along = np.sort(rng.uniform(0, metres, many))
    return regions(along, rng.uniform(0, width_mm, many), **({"label": "scratch"} | more))
