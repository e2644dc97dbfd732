"""``steelflow rolls``."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import polars as pl
import typer

from steelflow.cli.output import Json, emit, settings
from steelflow.errors import ReportError
from steelflow.report.marks import read_marks
from steelflow.report.reader import ReportReader
from steelflow.store import open_store
from steelflow.store.embedded import serving
from steelflow.strip.rolls import DIRT


def rolls(
    date: Annotated[
        dt.datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="The night; by default the last one.")
    ] = None,
    line: Annotated[list[str] | None, typer.Option("--line", help="Only this line; may be repeated.")] = None,
    coil: Annotated[list[str] | None, typer.Option("--coil", help="Only this coil; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Print the marks that repeat along the coils of a night: the rolls that leave them, and dirt on cameras."""
    base = settings()
    with serving(base, base.report.uri) as reached:
        store = open_store(reached.report.uri, reached.store)
        nights = ReportReader(store).nights()
        night = date.date() if date else max(nights, default=None)
        if night is None or night not in nights:
            raise ReportError(
                f"{store.uri}: no reports of {night or 'any night'}; run `steelflow nightly`"
                + (f", or take one of {nights[0]} to {nights[-1]}" if nights else "")
            )
        marks = read_marks(store, [night], line or None)
    if coil:
        marks = marks.filter(pl.col("coil").is_in(coil))
    emit({"date": night.isoformat(), "marks": [_json(row) for row in marks.to_dicts()]}, as_json, _table(night, marks))


def _json(row: dict[str, Any]) -> dict[str, Any]:
    """A mark with its images as in a report's rows: key, member and ordinal."""
    images = zip(row.pop("object_keys"), row.pop("members"), row.pop("ordinals"), strict=True)
    named = [{"object_key": key, "member": member, "ordinal": ordinal} for key, member, ordinal in images]
    return {**row, "date": row["date"].isoformat(), "images": named}


def _table(night: dt.date, marks: pl.DataFrame) -> str:
    if marks.is_empty():
        return f"night of {night}: no marks repeat along a coil"
    head = f"{'line':<8} {'coil':<14} {'side':<7} {'class':<14} {'across':>8} {'period':>17} {'sure':>7} {'marks':>9}"
    lines = [f"night of {night}: {marks.height} repeating marks; across and period in mm", "", f"{head}  roll"]
    for row in marks.iter_rows(named=True):
        period = f"{row['period_mm']:,.1f} ± {row['period_error_mm']:.1f}"
        lines.append(
            f"{row['line'] or '-':<8} {row['coil']:<14} {row['side'] or '-':<7} {row['label']:<14} "
            f"{row['across_mm']:>8.0f} {period:>17} {_sure(row['confidence']):>7} "
            f"{row['count']:>4}/{row['expected']:<4}  {_cause(row)}"
        )
        lines.append(f"{'':<9}{row['first']:,.1f} to {row['last']:,.1f} m; first images: {_images(row)}")
    return "\n".join(lines)


def _cause(row: dict[str, Any]) -> str:
    """The roll that fits; or dirt, with the camera to clean."""
    if row["cause"] == DIRT:
        return f"camera dirt: clean {row['camera'] or 'the camera'}"
    return "no roll of the settings" if row["roll"] is None else f"{row['roll']} ({row['fits_mm']:+.1f} mm)"


def _images(row: dict[str, Any]) -> str:
    """The first three images."""
    named = zip(row["object_keys"], row["members"], strict=True)
    return ", ".join(key if member is None else f"{key}:{member}" for key, member in list(named)[:3])


def _sure(confidence: float) -> str:
    """Never rounded up to certainty."""
    return ">99.9%" if confidence > 0.999 else f"{confidence:.1%}"
