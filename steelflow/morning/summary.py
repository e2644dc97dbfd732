"""The summary of a night, or of one shift of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import polars as pl

from steelflow.errors import ConfigError, ObjectNotFound, ReportError
from steelflow.records import ObjectInfo, Partition
from steelflow.report.layout import REPORTS, SUMMARIES, folder, parse_folder
from steelflow.report.reader import path_columns
from steelflow.report.scan import scan
from steelflow.report.summary import SUMMARY, load_summary, summarised
from steelflow.store.base import Store

_SCHEMA = pl.Schema({**SUMMARY, "date": pl.Date(), "line": pl.String()})


def night_summary(report: Store, date: dt.date, where: pl.Expr | None = None) -> pl.DataFrame:
    """The summaries of all lines of a night, columns ``report.summary.SUMMARY``, ``date`` and ``line``; empty if
    nothing was inspected.

    Args:
        where: count only these images. Then their rows are read, in a stream.
    """
    frames = [pl.DataFrame(schema=_SCHEMA)]
    for partition in partitions(report, date):
        try:
            own = load_summary(report, partition) if where is None else _counted(report, partition, where)
        except ObjectNotFound:  # deleted since it was listed
            continue
        frames.append(own.with_columns(*path_columns(partition)).select(_SCHEMA.names()).cast(_SCHEMA))
    return pl.concat(frames)


def partitions(report: Store, date: dt.date) -> list[Partition]:
    """The lines of a night that have a summary, in order."""
    keys = (info.key.removesuffix(".parquet") for info in report.list(f"{SUMMARIES}date={date.isoformat()}/"))
    return sorted((one for key in keys if (one := parse_folder(key)) is not None), key=str)


def in_shift(shifts: Mapping[str, str], name: str, zone: str) -> pl.Expr:
    """Whether an image was taken in a shift, by its ``captured_at``; null if that is not known.

    Args:
        shifts: when each shift begins, as hours and minutes of the plant's time. It ends when the next one begins.
        zone: the plant's time zone.

    Raises:
        ConfigError: the settings have no such shift.
    """
    if name not in shifts:
        there = f"; they have {', '.join(shifts)}" if shifts else "; add it below [night.shifts]"
        raise ConfigError(f"the settings have no shift {name!r}{there}")
    begins = dt.time.fromisoformat(shifts[name])
    others = sorted(dt.time.fromisoformat(one) for one in shifts.values())
    ends = next((one for one in others if one > begins), others[0])
    time = pl.col("captured_at").dt.convert_time_zone(zone).dt.time()
    after, before = time >= pl.lit(begins), time < pl.lit(ends)
    return after & before if begins < ends else after | before


def refuse_without_times(report: Store, date: dt.date) -> None:
    """Raises ``ReportError`` if no image of a night has a time."""
    for partition in partitions(report, date):
        rows = scan(report, _files(report, partition)).filter(pl.col("captured_at").is_not_null())
        if rows.select("captured_at").head(1).collect(engine="streaming").height:
            return
    raise ReportError(
        f"no image of {date} has a time, so its shifts are not known; give `captured_at` in the archive's template or "
        "in sidecars"
    )


def _counted(report: Store, partition: Partition, where: pl.Expr) -> pl.DataFrame:
    files = _files(report, partition)
    return summarised(report, files, where) if files else pl.DataFrame(schema=SUMMARY)


def _files(report: Store, partition: Partition) -> list[ObjectInfo]:
    return [info for info in report.list(REPORTS + folder(partition)) if info.key.endswith(".parquet")]
