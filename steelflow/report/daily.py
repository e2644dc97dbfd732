"""Every night of every line in a few rows: what a dashboard needs of years.

daily/month=2026-11.parquet    the month's summaries without their coils; a shortcut, never the truth

A month's file knows the etag of each summary that it was made from. What was replaced or added since is read from the
summary itself, and what was deleted is left out: ``daily`` gives the same rows with these files, with old ones and
without any.
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
from steelflow.report.summary import MEANS, read_summary
from steelflow.store.base import Store

_THREADS = 16
_PARTS = "steelflow.parts"

SCHEMA = pl.Schema(
    {
        "date": pl.Date(),
        "line": pl.String(),
        "status": pl.String(),
        "label": pl.String(),
        "images": pl.UInt32(),
        "coils": pl.UInt32(),
        "night_coils": pl.UInt32(),
    }
    | dict.fromkeys(MEANS, pl.Float32())
)
"""``coils`` have such images; ``night_coils`` are all coils of that line and night. Means are over the images."""

_Part = tuple[Partition, ObjectInfo]


def daily(store: Store, first: dt.date | None = None, last: dt.date | None = None) -> pl.DataFrame:
    """Images by date, line, status and label of all nights, or of those from ``first`` to ``last``; columns ``SCHEMA``.

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
        frames += pool.map(lambda part: _condensed(store, part), missing)
    return pl.concat(frames).sort("date", "line", "status", "label", nulls_last=True)


def write_daily(store: Store, dates: Collection[dt.date] | None = None) -> int:
    """Make the files of the months of ``dates`` (of all by default) again where a summary has changed.

    Returns:
        How many were written. Two writers of one month may each miss the other's night: it is then read from its
        summary.
    """
    wanted = None if dates is None else {_month_of(date) for date in dates}
    written = 0
    for month, parts in _parts(store).items():
        etags = {info.key: info.etag for _, info in parts}
        if (wanted is not None and month not in wanted) or _month(store, month)[0] == etags:
            continue
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="daily") as pool:
            frames = [pl.DataFrame(schema=SCHEMA), *pool.map(lambda part: _condensed(store, part), parts)]
        buffer = io.BytesIO()
        pl.concat(frames).write_parquet(buffer, compression="zstd", metadata={_PARTS: json.dumps(etags)})
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


def _condensed(store: Store, part: _Part) -> pl.DataFrame:
    """A summary without its coils; no rows where it has gone since it was listed."""
    partition, info = part
    try:
        summary = read_summary(store.get(info.key))
    except ObjectNotFound:
        return pl.DataFrame(schema=SCHEMA)
    means = [(pl.col(name) * pl.col("images")).sum() / pl.col("images").sum() for name in MEANS]
    counted = summary.group_by("status", "label").agg(
        pl.col("images").sum(), pl.col("coil").n_unique().alias("coils"), *means
    )
    return counted.select(
        pl.lit(partition.date, pl.Date()).alias("date"),
        pl.lit(partition.line, pl.String()).alias("line"),
        "status",
        "label",
        "images",
        "coils",
        pl.lit(summary["coil"].n_unique()).alias("night_coils"),
        *MEANS,
    ).cast(SCHEMA)


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


__all__ = ["DAILY", "SCHEMA", "daily", "write_daily"]
