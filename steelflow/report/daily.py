"""Every night of every line in a few rows: what a dashboard needs of years.

daily/month=2026-11.parquet    the month's summaries without their coils; a shortcut, never the truth

A month's file knows the etag of each summary that it was made from. What was replaced or added since is read from the
summary itself, and what was deleted is left out: ``daily`` gives the same rows with these files, with old ones and
without any. A file of another format is as none; a summary of an older version gives rows without what it lacks, until
``write_daily`` makes it again from its reports.

Coils are counted per line and night, never by band or model: a coil has images in several of them, and a sum over these
would count it twice.
"""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from steelflow.errors import ObjectNotFound
from steelflow.records import ObjectInfo, Partition
from steelflow.report.layout import DAILY, SUMMARIES, daily_key, parse_folder
from steelflow.report.summary import MEANS, SUMMARY, is_current, merged, read_summary, write_summary
from steelflow.store.base import Store

_THREADS = 16
_PARTS = "steelflow.parts/2"  # the format's number: a file that does not have it is made again
_KEYS = ("date", "line", "status", "label", "band", "model")

SCHEMA = pl.Schema(
    {
        "date": pl.Date(),
        "line": pl.String(),
        "status": pl.String(),
        "label": pl.String(),
        "band": pl.UInt8(),
        "model": pl.String(),
        "images": pl.UInt32(),
        "coils": pl.UInt32(),
        "night_coils": pl.UInt32(),
    }
    | dict.fromkeys(MEANS, pl.Float32())
)
"""``band`` and ``model`` as in summaries. ``coils`` have images of that status and label, of whichever band and model;
``night_coils`` are all coils of that line and night. Both are the same in several rows. Means are over the images."""

_Part = tuple[Partition, ObjectInfo]


def daily(store: Store, first: dt.date | None = None, last: dt.date | None = None) -> pl.DataFrame:
    """Images by date, line, status, label, band and model of all nights, or of those from ``first`` to ``last``.

    The columns are ``SCHEMA``.

    Raises:
        StoreError: the summaries cannot be listed or read.
    """
    months = _parts(store)
    months = {
        month: kept
        for month, parts in months.items()
        if (kept := [part for part in parts if _within(part[0].date, first, last)])
    }
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="daily") as pool:
        known = dict(zip(months, pool.map(lambda month: _month(store, month), months), strict=True))
        frames, missing = [pl.DataFrame(schema=SCHEMA)], []
        for month, parts in months.items():
            etags, rows = known[month]
            good = [part for part in parts if etags.get(part[1].key) == part[1].etag]
            missing += [part for part in parts if etags.get(part[1].key) != part[1].etag]
            frames.append(_of(rows, (partition for partition, _ in good)))
        frames.append(_condensed(pool.map(lambda part: _read(store, part), missing)))
    return _sorted(frames)


def daily_of_coils(
    store: Store, beginning: str, first: dt.date | None = None, last: dt.date | None = None
) -> pl.DataFrame:
    """As ``daily``, of the coils whose names begin so, in upper or lower case; ``night_coils`` are those of them.

    Every summary of these nights is read, for the aggregates name no coils: a millisecond or two for each line and
    night, and nothing has to be kept for it.
    """
    asked = [part for parts in _parts(store).values() for part in parts if _within(part[0].date, first, last)]
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="daily") as pool:
        return _sorted([_condensed(pool.map(lambda part: _read(store, part, beginning), asked))])


def write_daily(store: Store, dates: Collection[dt.date] | None = None) -> int:
    """Make the files of the months of ``dates`` (of all by default) again where a summary has changed, and those of all
    months that have none, or one of an older format.

    Returns:
        How many were written. Two writers of one month may each miss the other's night: it is then read from its
        summary.
    """
    wanted = None if dates is None else {_month_of(date) for date in dates}
    written = 0
    for month, parts in _parts(store).items():
        known, _ = _month(store, month)
        unasked = wanted is not None and month not in wanted
        if known == {info.key: info.etag for _, info in parts} or (known and unasked):
            continue
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="daily") as pool:
            parts = list(pool.map(lambda part: _renewed(store, part), parts))
            rows = _condensed(pool.map(lambda part: _read(store, part), parts))
        etags = {info.key: info.etag for _, info in parts}
        buffer = io.BytesIO()
        rows.write_parquet(buffer, compression="zstd", metadata={_PARTS: json.dumps(etags)})
        store.put(daily_key(month), buffer.getvalue())
        written += 1
    return written


def _parts(store: Store) -> dict[str, list[_Part]]:
    """The summaries that are there, by month."""
    months: dict[str, list[_Part]] = {}
    for info in store.list(SUMMARIES):
        partition = parse_folder(info.key.removesuffix(".parquet"))
        if partition is not None and partition.date is not None:
            months.setdefault(_month_of(partition.date), []).append((partition, info))
    return months


def _month(store: Store, month: str) -> tuple[dict[str, str], pl.DataFrame]:
    """A month's file: the etags of its parts, and its rows; nothing where there is none, or a damaged one."""
    try:
        data = store.get(daily_key(month))
        rows = pl.read_parquet(io.BytesIO(data), hive_partitioning=False).select(SCHEMA.names()).cast(SCHEMA)
        etags: dict[str, str] = json.loads(pl.read_parquet_metadata(io.BytesIO(data))[_PARTS])
    except (ObjectNotFound, pl.exceptions.PolarsError, KeyError, ValueError):
        return {}, pl.DataFrame(schema=SCHEMA)
    return etags, rows


def _renewed(store: Store, part: _Part) -> _Part:
    """The part, its summary made again where it is of an older version and its reports are still there."""
    partition, info = part
    try:
        current = is_current(store.get(info.key))
    except ObjectNotFound:
        return part
    try:
        return part if current else (partition, write_summary(store, partition) or info)
    except (pl.exceptions.PolarsError, ValueError):  # a damaged report of an old night is no trouble of tonight's
        return part


def _read(store: Store, part: _Part, beginning: str = "") -> pl.DataFrame:
    """A summary with its line and date, of coils that begin so; no rows where it has gone since it was listed."""
    partition, info = part
    try:
        summary = read_summary(store.get(info.key))
    except ObjectNotFound:
        summary = pl.DataFrame(schema=SUMMARY)
    if beginning:
        summary = summary.filter(pl.col("coil").str.to_lowercase().str.starts_with(beginning.lower()))
    date, line = pl.lit(partition.date, pl.Date()), pl.lit(partition.line, pl.String())
    return summary.with_columns(date=date, line=line)


def _condensed(summaries: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Summaries without their coils."""
    frames = list(summaries)
    if not frames:
        return pl.DataFrame(schema=SCHEMA)
    rows = pl.concat(frames)
    counted = merged(rows, _KEYS)
    # All at once: thousands of small summaries are mostly the cost of each group_by.
    for keys, name in ((["date", "line", "status", "label"], "coils"), (["date", "line"], "night_coils")):
        coils = rows.group_by(keys).agg(pl.col("coil").n_unique().alias(name))
        counted = counted.join(coils, on=keys, nulls_equal=True)
    return counted.select(SCHEMA.names()).cast(SCHEMA)


def _sorted(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames).sort(_KEYS, nulls_last=True)


def _of(rows: pl.DataFrame, partitions: Iterable[Partition]) -> pl.DataFrame:
    wanted = pl.DataFrame(
        [(partition.date, partition.line) for partition in partitions],
        schema={"date": pl.Date(), "line": pl.String()},
        orient="row",
    )
    return rows.join(wanted, on=["date", "line"], how="semi", nulls_equal=True)


def _within(date: dt.date | None, first: dt.date | None, last: dt.date | None) -> bool:
    return date is not None and (first is None or date >= first) and (last is None or date <= last)


def _month_of(date: dt.date) -> str:
    return f"{date:%Y-%m}"


__all__ = ["DAILY", "SCHEMA", "daily", "daily_of_coils", "write_daily"]
