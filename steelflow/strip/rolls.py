"""Roll marks: regions that repeat along a coil at one place across the strip, and the roll that leaves them.

A damaged roll prints its mark once a turn, so the marks are one circumference apart. The strip is lengthened by the
stands behind the roll, and its period with it; the tolerance of a roll allows for that. Dirt on a camera repeats with
the frames; it is found first and taken away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from steelflow.config import RollMarkSettings, RollSettings
from steelflow.strip.dirt import dirt_of
from steelflow.strip.lanes import Limits
from steelflow.strip.repeats import repeats

_SAMPLE = 6  # images that are named for a mark
ROLL, DIRT = "roll", "camera dirt"
"""What leaves a mark."""

Camera = tuple[str | None, str | None, str | None]
"""Coil, camera and side."""

MARKS = pl.Schema(
    {
        "line": pl.String(),
        "date": pl.Date(),
        "coil": pl.String(),
        "side": pl.String(),
        "cause": pl.String(),  # ROLL or DIRT
        "camera": pl.String(),  # that has the dirt; null for a roll
        "label": pl.String(),  # the most frequent of its regions
        "across_mm": pl.Float64(),  # from the strip's edge, the median
        "period_mm": pl.Float64(),
        "period_error_mm": pl.Float64(),  # one standard error
        "confidence": pl.Float64(),  # 1 minus the probability that random regions show such a mark on any side
        "count": pl.UInt32(),  # regions at an expected place
        "expected": pl.UInt32(),  # places from the first to the last
        "first": pl.Float64(),  # metres from the coil's head
        "last": pl.Float64(),
        "roll": pl.String(),  # of the settings; null if none fits
        "fits_mm": pl.Float64(),  # period minus the roll's circumference; null without a roll
        "object_keys": pl.List(pl.String()),  # of the first images
        "members": pl.List(pl.String()),
        "ordinals": pl.List(pl.Int32()),
    }
)
"""Columns of repeating marks, one row each."""

NEEDED = (
    "line",
    "date",
    "coil",
    "side",
    "object_key",
    "member",
    "ordinal",
    "label",
    "score",
    "along",
    "across_mm",
    "length_mm",
)
"""Columns of regions that the marks need."""

IN_FRAME = ("camera", "x", "y", "width", "height", "width_mm")
"""Columns of regions that dirt needs as well."""


def roll_marks(
    regions: pl.DataFrame,
    rolls: Sequence[RollSettings] = (),
    settings: RollMarkSettings | None = None,
    steps: Mapping[Camera, float] | None = None,
) -> pl.DataFrame:
    """The repeating marks of all coils.

    Args:
        regions: the columns ``NEEDED`` of region rows. Regions without a coil, or without a place along and across the
            strip, cannot repeat and are left out.
        rolls: the rolls of the settings.
        settings: limits; the defaults if None.
        steps: metres from a frame to the next, of each camera of a coil. Dirt is found where they are known; the
            regions have the columns ``IN_FRAME`` then.

    Returns:
        Columns ``MARKS``, ordered by line, date, coil, side and first place. The order of the rows does not matter.
    """
    settings = settings or RollMarkSettings()
    known = regions.filter(
        pl.col("coil").is_not_null() & pl.col("along").is_finite() & pl.col("across_mm").is_finite()
    ).sort("along", "across_mm", "object_key", "member", "ordinal", nulls_last=True)
    rows: list[dict[str, Any]] = []
    for (line, date, name), coil in known.group_by("line", "date", "coil", maintain_order=True):
        own = {key[1:]: step for key, step in (steps or {}).items() if key[0] == name}
        dirt, coil = _dirt(coil, own, settings) if own else ([], coil)
        rows.extend(row | {"line": line, "date": date, "coil": name} for row in dirt)
        sides = coil.partition_by("side", maintain_order=True)
        for side in sides:
            rows.extend(_of_side(side, len(sides), rolls, settings))
    found = pl.DataFrame(rows, schema=MARKS, orient="row")
    return found.sort("line", "date", "coil", "side", "first", "across_mm", nulls_last=True)


def roll_of(
    period_mm: float, error_mm: float, line: str | None, rolls: Sequence[RollSettings]
) -> tuple[str | None, float | None]:
    """The roll whose circumference is nearest to a period, within its tolerance and two standard errors; and the
    difference in millimetres. (None, None) if no roll of the line fits."""
    fitting = []
    for number, roll in enumerate(rolls):
        off = period_mm - roll.circumference
        if (not roll.lines or line in roll.lines) and abs(off) <= roll.tolerance * roll.circumference + 2 * error_mm:
            fitting.append((abs(off) / roll.circumference, number, roll.name, off))
    if not fitting:
        return None, None
    _, _, name, off = min(fitting)
    return name, off


def _limits(settings: RollMarkSettings) -> Limits:
    return Limits(
        shortest=settings.shortest_mm,
        longest=settings.longest_mm,
        position=settings.position_mm,
        across=settings.across_mm,
        marks=settings.count,
    )


def _dirt(
    coil: pl.DataFrame, steps: Mapping[tuple[str | None, str | None], float], settings: RollMarkSettings
) -> tuple[list[dict[str, Any]], pl.DataFrame]:
    """Rows of the dirt on the cameras of a coil, and the regions that are no dirt."""
    rows, used = [], np.zeros(coil.height, bool)
    numbered = coil.with_row_index("row")
    for (camera, side), regions in numbered.group_by("camera", "side", maintain_order=True):
        step = steps.get((camera, side))
        known = regions.filter(pl.col("length_mm") > 0, pl.col("width_mm") > 0)
        if step is None or known.height < settings.count:
            continue
        size = known.select("width", "height", "length_mm", "width_mm").cast(pl.Float64).to_numpy()
        found = dirt_of(
            known["along"].to_numpy() * 1000,
            known.select(pl.col("x") + pl.col("width") / 2, pl.col("y") + pl.col("height") / 2).to_numpy(),
            size[:, 2],
            np.sqrt(size[:, 2] * size[:, 3] / (size[:, 0] * size[:, 1])),
            step * 1000,
            _limits(settings),
            1 - settings.confidence,
        )
        for one in found:
            here = known[one.regions]
            used[here["row"].to_numpy()] = True
            rows.append(
                {
                    "side": side,
                    "cause": DIRT,
                    "camera": camera,
                    "across_mm": here["across_mm"].median(),
                    "period_mm": step * 1000,
                    "period_error_mm": 0.0,
                    "confidence": float(-np.expm1(one.log_p)),
                    "expected": one.frames,
                    **_regions(here),
                }
            )
    return rows, coil.filter(~pl.Series(used))


def _of_side(
    side: pl.DataFrame, sides: int, rolls: Sequence[RollSettings], settings: RollMarkSettings
) -> Iterator[dict[str, Any]]:
    """The marks of one side of a coil. ``sides`` corrects for the number of sides that were searched."""
    along = side["along"].to_numpy() * 1000
    across, length, score = (
        side[name].cast(pl.Float64).fill_null(0).to_numpy() for name in ("across_mm", "length_mm", "score")
    )
    first = side.row(0, named=True)
    same = {name: first[name] for name in ("line", "date", "coil", "side")}
    for one in repeats(along, across, length, score, _limits(settings), sides, 1 - settings.confidence):
        roll, off = roll_of(one.period, one.error, same["line"], rolls)
        yield {
            **same,
            "cause": ROLL,
            "across_mm": float(np.median(across[one.regions])),
            "period_mm": one.period,
            "period_error_mm": one.error,
            "confidence": float(-np.expm1(one.log_p)),
            "expected": one.places,
            "roll": roll,
            "fits_mm": off,
            **_regions(side[one.regions]),
        }


def _regions(marks: pl.DataFrame) -> dict[str, Any]:
    """The columns that describe the regions of a mark, ordered along the coil."""
    labels = marks["label"].value_counts().sort(["count", "label"], descending=[True, False])
    images = marks.unique(["object_key", "member", "ordinal"], maintain_order=True).head(_SAMPLE)
    return {
        "label": labels["label"][0],
        "count": marks.height,
        "first": marks["along"][0],
        "last": marks["along"][-1],
        "object_keys": images["object_key"].to_list(),
        "members": images["member"].to_list(),
        "ordinals": images["ordinal"].to_list(),
    }
