"""Every night of every line in a few rows, so that a dashboard can show years.

daily/month=2026-11.parquet    the month's summaries without their coils; a shortcut, never the truth

A month's file stores the etag and the coils of each summary that it was made from. Summaries that were replaced or
added later are read themselves; deleted ones are left out. So ``daily`` returns the same rows with these files, with
outdated ones and without any. A file in another format is ignored. A summary of an older version lacks some columns
until its night is run again; they are null.

Coils are counted per line and night, never per band or model: a coil has images in several of them, and their sum would
count it twice.
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
from steelflow.report.rates import strip_by
from steelflow.report.summary import SUMMARY, load_summary, merged
from steelflow.report.unit_summary import MEANS, SUMS
from steelflow.store.base import Store

_THREADS = 16
_TOGETHER = 128  # summaries in memory at a time
_PARTS = "steelflow.parts/5"  # with the format's number: a file without it is written again
_KEYS = ("date", "line", "status", "label", "good", "band", "model")

SCHEMA = pl.Schema(
    {
        "date": pl.Date(),
        "line": pl.String(),
        "status": pl.String(),
        "label": pl.String(),
        "good": pl.Boolean(),
        "band": pl.UInt8(),
        "model": pl.String(),
        **{name: SUMMARY[name] for name in SUMS},
        "coils": pl.UInt32(),
        "night_coils": pl.UInt32(),
        "night_strip": pl.Float64(),
    }
    | dict.fromkeys(MEANS, pl.Float32())
)
"""``good``, ``band``, ``model`` and the sums are those of summaries. ``coils`` is the number of coils with images of
this status and label, or with regions of this label, in any band and of any model. ``night_coils`` is the number of all
coils of this line and night. ``night_strip`` is their length in metres, null unless it is known for every coil with
readable images. All three repeat in several rows. Means are over the images."""

Part = tuple[Partition, ObjectInfo]
_Known = tuple[str, Sequence[str | None]]  # etag and coils of a summary


def daily(store: Store, first: dt.date | None = None, last: dt.date | None = None) -> pl.DataFrame:
    """Images by date, line, status, label, band and model, of all nights or from ``first`` to ``last``.

    The columns are ``SCHEMA``.

    Raises:
        StoreError: the summaries cannot be listed or read.
    """
    months = parts_by_month(store, first, last)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="daily") as pool:
        known = dict(zip(months, pool.map(lambda month: month_file(store, month), months), strict=True))
        frames = [pl.DataFrame(schema=SCHEMA)]
        missing: list[Part] = []
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
    """Like ``daily``, for coils whose name starts with ``beginning``, in upper or lower case. ``night_coils`` counts
    these coils alone.

    If all coils of a night match, its rows come from the month's file. If some match, the summary is read: one or two
    milliseconds for each line and night.
    """
    months = parts_by_month(store, first, last)
    start = beginning.lower()
    frames = [pl.DataFrame(schema=SCHEMA)]
    some: list[Part] = []
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="daily") as pool:
        for parts, (known, rows) in zip(
            months.values(), pool.map(lambda month: month_file(store, month), months), strict=True
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
    """Write the files of the months of ``dates`` (default: all months) if one of their summaries changed, and the files
    of all months that have no file in the current format.

    Returns:
        The number of written files. Two concurrent writers of a month may each miss the other's night. That night is
        then read from its summary.
    """
    wanted = None if dates is None else {_month_of(date) for date in dates}
    written = 0
    for month, parts in parts_by_month(store).items():
        known, _ = month_file(store, month)
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


def parts_by_month(store: Store, first: dt.date | None = None, last: dt.date | None = None) -> dict[str, list[Part]]:
    """The existing summaries, by month."""
    months: dict[str, list[Part]] = {}
    for info in store.list(SUMMARIES):
        partition = parse_folder(info.key.removesuffix(".parquet"))
        if partition is not None and partition.date is not None and _within(partition.date, first, last):
            months.setdefault(_month_of(partition.date), []).append((partition, info))
    return months


def month_file(store: Store, month: str) -> tuple[dict[str, _Known], pl.DataFrame]:
    """A month's file: the etags and coils of its summaries, by key, and its rows. Both are empty if it is missing or
    damaged."""
    try:
        data = store.get(daily_key(month))
        rows = pl.read_parquet(io.BytesIO(data), hive_partitioning=False).select(SCHEMA.names()).cast(SCHEMA)
        parts: dict[str, _Known] = json.loads(pl.read_parquet_metadata(io.BytesIO(data))[_PARTS])
    except (ObjectNotFound, pl.exceptions.PolarsError, KeyError, ValueError):
        return {}, pl.DataFrame(schema=SCHEMA)
    return parts, rows


def _etags(known: Mapping[str, _Known]) -> dict[str, str]:
    return {key: etag for key, (etag, _) in known.items()}


def _read(store: Store, part: Part, beginning: str = "") -> pl.DataFrame:
    """A summary with its line and date, for coils whose name starts with ``beginning``. No rows if it was deleted after
    it was listed."""
    partition, _ = part
    try:
        summary = load_summary(store, partition)
    except ObjectNotFound:
        summary = pl.DataFrame(schema=SUMMARY)
    if beginning:
        summary = summary.filter(pl.col("coil").str.to_lowercase().str.starts_with(beginning.lower()))
    date, line = pl.lit(partition.date, pl.Date()), pl.lit(partition.line, pl.String())
    return summary.with_columns(date=date, line=line)


def _read_sound(store: Store, part: Part) -> pl.DataFrame | None:
    """A summary, or None if it is damaged: a damaged old night must not stop tonight's run."""
    try:
        return _read(store, part)
    except ReportError:
        return None


def _in_batches(store: Store, executor: Executor, parts: Sequence[Part], beginning: str = "") -> Iterator[pl.DataFrame]:
    """Summaries without their coils, a limited number in memory at a time."""
    yield pl.DataFrame(schema=SCHEMA)
    for start in range(0, len(parts), _TOGETHER):
        together = parts[start : start + _TOGETHER]
        yield _condensed(executor.map(lambda part: _read(store, part, beginning), together))


def _condensed(summaries: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Summaries without their coils, all in one group_by: for a small summary its fixed cost is most of the time."""
    rows = pl.concat(summaries)
    counted = merged(rows, _KEYS)
    for keys, name in ((["date", "line", "status", "label"], "coils"), (["date", "line"], "night_coils")):
        # At least one: if the keys have no coils, the images of a line's night count as one coil.
        coils = rows.group_by(keys).agg(pl.col("coil").drop_nulls().n_unique().clip(lower_bound=1).alias(name))
        counted = counted.join(coils, on=keys, nulls_equal=True)
    strips = strip_by(rows, ["date", "line"]).rename({"strip": "night_strip"})
    counted = counted.join(strips, on=["date", "line"], how="left", nulls_equal=True)
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
