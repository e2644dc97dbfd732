"""Reading the regions of reports. A report's footer names its file of regions and says how many rows it has."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from steelflow.errors import ObjectNotFound, ReportError
from steelflow.records import ObjectInfo, Partition
from steelflow.report.footer import Footer, read_footers
from steelflow.report.layout import REGIONS, folder, parse_folder
from steelflow.report.reader import files_of, path_columns
from steelflow.schema import region_schema
from steelflow.store.base import Store

_THREADS = 16


class RegionReader:
    """Queries over the regions of the reports below a root. Files that no report names are not read: a run that was
    killed may have left them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def regions(
        self, dates: Collection[dt.date] | None = None, lines: Collection[str | None] | None = None
    ) -> pl.LazyFrame:
        """One row per region of these nights and lines: the columns of ``schema.region_schema``, ``line`` and ``date``
        included. Empty where no image has a region, and for images that were judged as a whole.

        Raises:
            ReportError: a report names regions that are not there, or are not as many as it says.
        """
        frames = [_EMPTY.lazy()]
        for partition, infos in files_of(self._store, dates, lines).items():
            columns = path_columns(partition)
            frames += [one.lazy().with_columns(*columns).select(_EMPTY.columns) for one in self._read(infos)]
        return pl.concat(frames)

    def of_files(self, infos: Iterable[ObjectInfo]) -> pl.DataFrame:
        """The regions of these report files; ``line`` and ``date`` are those of the rows, if the path has none."""
        frames = []
        for info in infos:
            partition = parse_folder(info.key)
            for frame in self._read([info]):
                columns = path_columns(partition) if partition is not None else ()
                frames.append(frame.with_columns(*columns).select(_EMPTY.columns))
        return pl.concat([_EMPTY, *frames])

    def _read(self, infos: Iterable[ObjectInfo]) -> Iterable[pl.DataFrame]:
        footers = {key: footer for key, footer in read_footers(self._store, infos).items() if footer.counts.regions}
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="regions") as pool:
            yield from pool.map(lambda item: self._load(*item), footers.items())

    def _load(self, key: str, footer: Footer) -> pl.DataFrame:
        advice = "run `steelflow nightly` for its date again, or `steelflow infer` for its source"
        try:
            frame = pl.read_parquet(io.BytesIO(self._store.get(footer.regions_file)), hive_partitioning=False)
        except (ObjectNotFound, pl.exceptions.PolarsError) as exc:
            raise ReportError(
                f"{self._store.uri}/{key}: its {footer.counts.regions} regions are missing or damaged "
                f"({footer.regions_file}); delete the report and {advice}"
            ) from exc
        if frame.height != footer.counts.regions:
            raise ReportError(
                f"{self._store.uri}/{footer.regions_file}: has {frame.height} regions, but its report has "
                f"{footer.counts.regions}; delete the report and {advice}"
            )
        missing = [name for name in _EMPTY.columns if name not in frame.columns]
        return frame.with_columns(pl.lit(None, _EMPTY.schema[name]).alias(name) for name in missing)


def orphans(store: Store, partition: Partition, expected: Collection[str]) -> list[str]:
    """The files of regions of a partition that are not among ``expected``."""
    return [info.key for info in store.list(REGIONS + folder(partition)) if info.key not in expected]


_EMPTY = pl.DataFrame(pl.from_arrow(region_schema().empty_table()))
