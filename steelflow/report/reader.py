"""Reading reports back: lazy Polars frames over the files that are there."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import polars as pl

from steelflow.config import StoreSettings
from steelflow.errors import ReportError
from steelflow.records import Partition
from steelflow.report.layout import REPORTS, SUMMARIES, parse_folder
from steelflow.store.base import Store
from steelflow.store.local import LocalStore

_EMPTY_SUMMARY = pl.Schema(
    {"date": pl.Date(), "line": pl.String(), "coil": pl.String(), "status": pl.String(), "label": pl.String()}
    | {"images": pl.UInt32()}
    | {name: pl.Float32() for name in ("confidence", "brightness", "contrast", "sharpness", "saturation")}
)


class ReportReader:
    """The questions that people ask of reports. Nothing is cached: the files present are the truth.

    Args:
        store: the report's root.
        settings: how Polars reaches it, where it is in S3.
    """

    def __init__(self, store: Store, settings: StoreSettings) -> None:
        self._store, self._settings = store, settings

    def images(self, dates: Collection[dt.date] | None = None, lines: Collection[str] | None = None) -> pl.LazyFrame:
        """One row per image, with ``line`` and ``date``, of these nights and lines; only what is asked for is read.

        Reports of models with other classes have null for the probabilities that they do not know.

        Raises:
            ReportError: there is no report of that kind yet.
        """
        frames = []
        for partition, keys in self._files(dates, lines).items():
            frame = scan_keys(self._store, keys, settings=self._settings)
            place = pl.lit(partition.date, pl.Date).alias("date"), pl.lit(partition.line, pl.String).alias("line")
            frames.append(frame.with_columns(*place))
        if not frames:
            raise ReportError(f"{self._store.uri}: no reports for these nights and lines; run `steelflow nightly`")
        return pl.concat(frames, how="diagonal")

    def summary(self, dates: Collection[dt.date] | None = None, lines: Collection[str] | None = None) -> pl.DataFrame:
        """Counts and means by date, line, coil, status and label; empty where nothing was inspected."""
        frames = [pl.DataFrame(schema=_EMPTY_SUMMARY)]
        for info in self._store.list(SUMMARIES):
            partition = parse_folder(info.key.removesuffix(".parquet"))
            if partition is not None and _asked(partition, dates, lines):
                place = pl.lit(partition.date, pl.Date).alias("date"), pl.lit(partition.line, pl.String).alias("line")
                frame = pl.read_parquet(io.BytesIO(self._store.get(info.key))).with_columns(*place)
                frames.append(frame.select(_EMPTY_SUMMARY.names()).cast(_EMPTY_SUMMARY))
        return pl.concat(frames).sort("date", "line", "coil", "label", nulls_last=True)

    def nights(self) -> list[dt.date]:
        """The dates that have reports, ascending."""
        names = (parse_folder(f"{name}/line=") for name in self._store.folders(REPORTS))
        return sorted({partition.date for partition in names if partition and partition.date})

    def defect_counts(self, dates: Collection[dt.date] | None = None) -> pl.DataFrame:
        """Images by date, line and label, and their ``share`` of the line's readable images of that night."""
        counted = self.summary(dates).filter(pl.col("status") == "ok").group_by("date", "line", "label")
        share = pl.col("images") / pl.col("images").sum().over("date", "line")
        return counted.agg(pl.col("images").sum()).with_columns(share=share).sort("date", "line", "label")

    def failures(self, dates: Collection[dt.date] | None = None, lines: Collection[str] | None = None) -> pl.DataFrame:
        """The images that could not be judged, with the reason."""
        columns = ("date", "line", "coil", "object_key", "member", "ordinal", "error")
        return self.images(dates, lines).filter(pl.col("status") == "failed").select(columns).collect()

    def coil(self, date: dt.date, line: str, coil: str) -> pl.DataFrame:
        """The rows of one coil along its length."""
        rows = self.images([date], [line]).filter(pl.col("coil") == coil)
        return rows.sort("position", "object_key", "ordinal", nulls_last=True).collect()

    def _files(self, dates: Collection[dt.date] | None, lines: Collection[str] | None) -> dict[Partition, list[str]]:
        folders = [REPORTS] if dates is None else [f"{REPORTS}date={date.isoformat()}/" for date in sorted(set(dates))]
        files: dict[Partition, list[str]] = {}
        for prefix in folders:
            for info in self._store.list(prefix):
                partition = parse_folder(info.key)
                if partition is not None and info.key.endswith(".parquet") and _asked(partition, dates, lines):
                    files.setdefault(partition, []).append(info.key)
        return files


def scan_keys(
    store: Store, keys: Iterable[str], columns: Sequence[str] | None = None, settings: StoreSettings | None = None
) -> pl.LazyFrame:
    """Report files as one lazy frame. Without ``settings``, a store that is no folder is read through ours."""
    keys = sorted(keys)
    if isinstance(store, LocalStore):
        scanned = [pl.scan_parquet(Path(store.root) / key, hive_partitioning=False) for key in keys]
    elif settings is not None:
        options = _storage_options(settings)
        scanned = [
            pl.scan_parquet(f"{store.uri}/{key}", storage_options=options, hive_partitioning=False) for key in keys
        ]
    else:
        scanned = [
            pl.read_parquet(io.BytesIO(store.get(key)), columns=list(columns) if columns else None).lazy()
            for key in keys
        ]
    frame = pl.concat(scanned, how="diagonal")
    return frame.select(columns) if columns is not None else frame


def _storage_options(settings: StoreSettings) -> dict[str, str]:
    from steelflow.store.s3 import endpoint_url

    options = {"aws_endpoint_url": endpoint_url(settings.endpoint), "aws_region": settings.region}
    if settings.access_key is not None and settings.secret_key is not None:
        options |= {
            "aws_access_key_id": settings.access_key,
            "aws_secret_access_key": settings.secret_key.get_secret_value(),
        }
    if options["aws_endpoint_url"].startswith("http://"):
        options["aws_allow_http"] = "true"
    return options


def _asked(partition: Partition, dates: Collection[dt.date] | None, lines: Collection[str] | None) -> bool:
    return (dates is None or partition.date in dates) and (lines is None or partition.line in lines)
