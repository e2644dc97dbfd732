"""Reading the regions of reports. A report's footer names its file of regions and says how many rows it has."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from steelflow.records import ObjectInfo, Partition
from steelflow.report.footer import read_footers
from steelflow.report.layout import REGIONS, folder, parse_folder
from steelflow.report.reader import files_of, path_columns
from steelflow.report.region_file import EMPTY, load_regions
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
        frames = [EMPTY.lazy()]
        for partition, infos in files_of(self._store, dates, lines).items():
            columns = path_columns(partition)
            frames += [one.lazy().with_columns(*columns).select(EMPTY.columns) for one in self._read(infos)]
        return pl.concat(frames)

    def of_files(self, infos: Iterable[ObjectInfo]) -> pl.DataFrame:
        """The regions of these report files; ``line`` and ``date`` are those of the rows, if the path has none."""
        frames = []
        for info in infos:
            partition = parse_folder(info.key)
            for frame in self._read([info]):
                columns = path_columns(partition) if partition is not None else ()
                frames.append(frame.with_columns(*columns).select(EMPTY.columns))
        return pl.concat([EMPTY, *frames])

    def _read(self, infos: Iterable[ObjectInfo]) -> Iterable[pl.DataFrame]:
        footers = {key: footer for key, footer in read_footers(self._store, infos).items() if footer.counts.regions}
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="regions") as pool:
            yield from pool.map(lambda item: load_regions(self._store, *item), footers.items())


def orphans(store: Store, partition: Partition, expected: Collection[str]) -> list[str]:
    """The files of regions of a partition that are not among ``expected``."""
    return [info.key for info in store.list(REGIONS + folder(partition)) if info.key not in expected]
