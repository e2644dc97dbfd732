"""Reading reports: lazy Polars frames over the files that are present."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from steelflow.errors import ReportError
from steelflow.records import ObjectInfo, Partition
from steelflow.report.layout import REPORTS, SUMMARIES, parse_folder
from steelflow.report.own import own_reports
from steelflow.report.scan import scan
from steelflow.report.summary import SUMMARY, load_summary, merged
from steelflow.report.unit_summary import MEANS, SUMS
from steelflow.store.base import Store

_THREADS = 16
_FEW = 8
_FILES = 256  # that are open at a time
_KEYS = ("coil", "status", "label", "good")
_EMPTY_SUMMARY = pl.Schema(
    {"date": pl.Date(), "line": pl.String()} | {name: SUMMARY[name] for name in (*_KEYS, *SUMS, "strip", *MEANS)}
)


class ReportReader:
    """Queries over the reports below a root. Nothing is cached: the files present are the truth."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def store(self) -> Store:
        """Where the reports are."""
        return self._store

    def images(
        self, dates: Collection[dt.date] | None = None, lines: Collection[str | None] | None = None
    ) -> pl.LazyFrame:
        """One row per image of these nights and lines, with ``line`` and ``date``. Only the needed columns are read.

        Probabilities of classes that a model does not have are null.

        Raises:
            ReportError: these nights and lines have no reports.
        """
        frames = []
        for partition, infos in files_of(self._store, dates, lines).items():
            frames.append(scan(self._store, infos).with_columns(*path_columns(partition)))
        if not frames:
            raise ReportError(f"{self._store.uri}: no reports for these nights and lines; run `steelflow nightly`")
        return pl.concat(frames, how="diagonal")

    def parts(self, dates: Collection[dt.date]) -> Iterator[pl.LazyFrame]:
        """The rows of ``images``, from some files at a time: a scan takes memory for each file that it opens."""
        for partition, infos in files_of(self._store, dates, None).items():
            for start in range(0, len(infos), _FILES):
                yield scan(self._store, infos[start : start + _FILES]).with_columns(*path_columns(partition))

    def summary(
        self, dates: Collection[dt.date] | None = None, lines: Collection[str | None] | None = None
    ) -> pl.DataFrame:
        """Counts and means by date, line, coil, status, label and ``good`` (see ``report.good``); empty if nothing was
        inspected. ``strip`` is the length of the coil in metres, in each of its rows; null if it is not known."""
        # Few dates: list their folders. Many dates: one listing is faster.
        few = dates is not None and len(dates) <= _FEW
        prefixes = [f"{SUMMARIES}date={date.isoformat()}/" for date in sorted(set(dates or ()))] if few else [SUMMARIES]
        asked = []
        for info in (info for prefix in prefixes for info in self._store.list(prefix)):
            partition = parse_folder(info.key.removesuffix(".parquet"))
            if partition is not None and is_asked(partition, dates, lines):
                asked.append(partition)

        def read(partition: Partition) -> pl.DataFrame:
            frame = merged(load_summary(self._store, partition), _KEYS)
            return frame.with_columns(*path_columns(partition)).select(_EMPTY_SUMMARY.names()).cast(_EMPTY_SUMMARY)

        with ThreadPoolExecutor(_THREADS, thread_name_prefix="summary") as pool:
            frames = [pl.DataFrame(schema=_EMPTY_SUMMARY), *pool.map(read, asked)]
        return pl.concat(frames).sort("date", "line", "coil", "label", nulls_last=True)

    def files(self, dates: Collection[dt.date]) -> dict[Partition, list[ObjectInfo]]:
        """The report files of these nights, by line and date."""
        return files_of(self._store, dates, None)

    def nights(self) -> list[dt.date]:
        """The dates that have reports, ascending."""
        names = (parse_folder(f"{name}/line=") for name in self._store.folders(REPORTS))
        return sorted({partition.date for partition in names if partition and partition.date})

    def defect_counts(self, dates: Collection[dt.date] | None = None) -> pl.DataFrame:
        """Images by date, line and label, and their ``share`` of the readable images of that line and night. A label
        with ``good`` is no defect; null if the model has no good classes."""
        counted = self.summary(dates).filter(pl.col("status") == "ok").group_by("date", "line", "label", "good")
        share = pl.col("images") / pl.col("images").sum().over("date", "line")
        return counted.agg(pl.col("images").sum()).with_columns(share=share).sort("date", "line", "label")

    def failures(
        self, dates: Collection[dt.date] | None = None, lines: Collection[str | None] | None = None
    ) -> pl.DataFrame:
        """The images that could not be inspected, with the reason."""
        columns = ("date", "line", "coil", "object_key", "member", "ordinal", "error")
        return self.images(dates, lines).filter(pl.col("status") == "failed").select(columns).collect()

    def reasons(self, dates: Collection[dt.date]) -> pl.DataFrame:
        """Images that could not be inspected, by line and reason: the word before the colon of their error."""
        reason = pl.col("error").str.split(":").list.first().alias("reason")
        counted = [
            part.filter(pl.col("status") == "failed").group_by("line", reason).agg(images=pl.len()).collect()
            for part in self.parts(dates)
        ]
        if not counted:
            return pl.DataFrame(schema={"line": pl.String, "reason": pl.String, "images": pl.UInt32})
        return pl.concat(counted).group_by("line", "reason").agg(pl.col("images").sum()).sort("line", "reason")

    def coil(self, date: dt.date, line: str, coil: str) -> pl.DataFrame:
        """The rows of one coil, in order of position."""
        rows = self.images([date], [line]).filter(pl.col("coil") == coil)
        return rows.sort("position", "object_key", "ordinal", nulls_last=True).collect()


def files_of(
    store: Store, dates: Collection[dt.date] | None, lines: Collection[str | None] | None
) -> dict[Partition, list[ObjectInfo]]:
    """The report files of these nights and lines."""
    folders = [REPORTS] if dates is None else [f"{REPORTS}date={date.isoformat()}/" for date in sorted(set(dates))]
    files: dict[Partition, list[ObjectInfo]] = {}
    for prefix in folders:
        for info in store.list(prefix):
            partition = parse_folder(info.key)
            if partition is not None and info.key.endswith(".parquet") and is_asked(partition, dates, lines):
                files.setdefault(partition, []).append(info)
    found = {partition: own_reports(store, infos) for partition, infos in files.items()}
    return {partition: infos for partition, infos in found.items() if infos}


def is_asked(partition: Partition, dates: Collection[dt.date] | None, lines: Collection[str | None] | None) -> bool:
    return (dates is None or partition.date in dates) and (lines is None or partition.line in lines)


def path_columns(partition: Partition) -> tuple[pl.Expr, pl.Expr]:
    """The two columns that are in a report's path."""
    return pl.lit(partition.date, pl.Date).alias("date"), pl.lit(partition.line, pl.String).alias("line")
