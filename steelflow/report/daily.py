"""Every night of every line in a few rows: what a dashboard needs of years.

daily/month=2026-11.parquet    the month's summaries without their coils; a shortcut, never the truth

A month's file knows the etag, and the coils, of each summary that it was made from. What was replaced or added since is
read from the summary itself, and what was deleted is left out: ``daily`` gives the same rows with these files, with old
ones and without any. A file of another format is as none; a summary of an older version gives rows without what it
lacks, until its night is run again.

Coils are counted per line and night, never by band or model: a coil has images in several of them, and a sum over these
would count it twice.
"""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

import polars as pl

from steelflow.errors import ObjectNotFound, ReportError
from steelflow.records import ObjectInfo, Partition
from steelflow.report.layout import DAILY, SUMMARIES, daily_key, parse_folder
from steelflow.report.summary import MEANS, SUMMARY, load_summary, merged
from steelflow.store.base import Store

_THREADS = 16
_TOGETHER = 128  # summaries in memory
_PARTS = "steelflow.parts/3"  # the format's number: a file that does not have it is made again
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
_Known = tuple[str, Sequence[str | None]]  # of a summary: etag, coils


def daily(store: Store, first: dt.date | None = None, last: dt.date | None = None) -> pl.DataFrame:
    """Images by date, line, status, label, band and model of all nights, or of those from ``first`` to ``last``.

    The columns are ``SCHEMA``.

    Raises:
        StoreError: the summaries cannot be listed or read.
    """
    months = _parts(store, first, last)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="daily") as pool:
        known = dict(zip(months, pool.map(lambda month: _month(store, month), months), strict=True))
        frames = [pl.DataFrame(schema=SCHEMA)]
        missing: list[_Part] = []
        for month, parts in months.items():
            etags, rows = _etags(known[month][0]), known[month][1]
            good = [part for part in parts if etags.get(part[1].key) == part[1].etag]
            missing += [part for part in parts if etags.get(part[1].key) != part[1].etag]
            frames.append(_of(rows, (partition for partition, _ in good)))
        frames += _in_batches(store, pool, missing)
    return _sorted(frames)


def daily_of_coils(
    store: Store, beginning: str, first: dt.date | None = None, last: dt.date | None = None
) -> pl.DataFrame:
    """As ``daily``, of the coils whose names begin so, in upper or lower case; ``night_coils`` are those of them.

    Nights of which all coils are asked for are in the months' files; summaries that name some of them are read, a
    millisecond or two for each line and night.
    """
    months = _parts(store, first, last)
    start = beginning.lower()
    frames = [pl.DataFrame(schema=SCHEMA)]
    some: list[_Part] = []
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="daily") as pool:
        for parts, (known, rows) in zip(
            months.values(), pool.map(lambda month: _month(store, month), months), strict=True
        ):
            whole: list[Partition] = []
            for partition, info in parts:
                etag, coils = known.get(info.key, ("", ()))
                asked = {coil is not None and coil.lower().startswith(start) for coil in coils}
                if etag != info.etag or len(asked) == 2:
                    some.append((partition, info))
                elif asked == {True}:
                    whole.append(partition)
            frames.append(_of(rows, whole))
        frames += _in_batches(store, pool, some, beginning)
    return _sorted(frames)


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
        if _etags(known) == {info.key: info.etag for _, info in parts} or (known and unasked):
            continue
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="daily") as pool:
            read = zip(parts, pool.map(lambda part: _read_sound(store, part), parts), strict=True)
            sound = [(info, summary) for (_, info), summary in read if summary is not None]
        told = {info.key: (info.etag, summary["coil"].unique().sort().to_list()) for info, summary in sound}
        rows = _condensed(summary for _, summary in sound) if sound else pl.DataFrame(schema=SCHEMA)
        buffer = io.BytesIO()
        rows.write_parquet(buffer, compression="zstd", metadata={_PARTS: json.dumps(told)})
        store.put(daily_key(month), buffer.getvalue())
        written += 1
    return written


def _parts(store: Store, first: dt.date | None = None, last: dt.date | None = None) -> dict[str, list[_Part]]:
    """The summaries that are there, by month."""
    months: dict[str, list[_Part]] = {}
    for info in store.list(SUMMARIES):
        partition = parse_folder(info.key.removesuffix(".parquet"))
        if partition is not None and partition.date is not None and _within(partition.date, first, last):
            months.setdefault(_month_of(partition.date), []).append((partition, info))
    return months


def _month(store: Store, month: str) -> tuple[dict[str, _Known], pl.DataFrame]:
    """A month's file: what it was made from, by key, and its rows; nothing where there is none, or a damaged one."""
    try:
        data = store.get(daily_key(month))
        rows = pl.read_parquet(io.BytesIO(data), hive_partitioning=False).select(SCHEMA.names()).cast(SCHEMA)
        parts: dict[str, _Known] = json.loads(pl.read_parquet_metadata(io.BytesIO(data))[_PARTS])
    except (ObjectNotFound, pl.exceptions.PolarsError, KeyError, ValueError):
        return {}, pl.DataFrame(schema=SCHEMA)
    return parts, rows


def _etags(known: Mapping[str, _Known]) -> dict[str, str]:
    return {key: etag for key, (etag, _) in known.items()}


def _read(store: Store, part: _Part, beginning: str = "") -> pl.DataFrame:
    """A summary with its line and date, of coils that begin so; no rows where it has gone since it was listed."""
    partition, _ = part
    try:
        summary = load_summary(store, partition)
    except ObjectNotFound:
        summary = pl.DataFrame(schema=SUMMARY)
    if beginning:
        summary = summary.filter(pl.col("coil").str.to_lowercase().str.starts_with(beginning.lower()))
    date, line = pl.lit(partition.date, pl.Date()), pl.lit(partition.line, pl.String())
    return summary.with_columns(date=date, line=line)


def _read_sound(store: Store, part: _Part) -> pl.DataFrame | None:
    """None for a damaged one: what is the matter with an old night is no trouble of tonight's."""
    try:
        return _read(store, part)
    except ReportError:
        return None


def _in_batches(
    store: Store, executor: Executor, parts: Sequence[_Part], beginning: str = ""
) -> Iterator[pl.DataFrame]:
    """Summaries without their coils; never as many in memory as a year has."""
    yield pl.DataFrame(schema=SCHEMA)
    for start in range(0, len(parts), _TOGETHER):
        together = parts[start : start + _TOGETHER]
        yield _condensed(executor.map(lambda part: _read(store, part, beginning), together))


def _condensed(summaries: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Summaries without their coils, all at once: most of a small one's time is the cost of its group_by."""
    rows = pl.concat(summaries)
    counted = merged(rows, _KEYS)
    for keys, name in ((["date", "line", "status", "label"], "coils"), (["date", "line"], "night_coils")):
        # One at least: where no key tells coils, the images of a line's night count as one.
        coils = rows.group_by(keys).agg(pl.col("coil").drop_nulls().n_unique().clip(lower_bound=1).alias(name))
        counted = counted.join(coils, on=keys, nulls_equal=True)
    return counted.select(SCHEMA.names()).cast(SCHEMA)


def _sorted(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
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
