"""Report files as one lazy Polars frame.

Polars reads a folder itself. From S3 the files come through our own store: it retries, and it works with servers on
which Polars' client fails (some answer a range over the whole object with status 200).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import polars as pl
import polars.selectors as cs
from polars.io.plugins import register_io_source

from steelflow.records import ObjectInfo
from steelflow.report.footer import read_footers
from steelflow.store.base import Store
from steelflow.store.local import LocalStore
from steelflow.store.ordered import in_order

_AHEAD = 8  # files that are loaded beside the one in use


def scan(store: Store, files: Iterable[ObjectInfo]) -> pl.LazyFrame:
    """The rows of all files, in order of their keys. If a file lacks a column, it is null there.

    ``embedding`` is a list, because its width depends on the model.
    """
    infos = sorted(files, key=lambda info: info.key)
    if isinstance(store, LocalStore):
        frames = [_uniform(pl.scan_parquet(store.root / info.key, hive_partitioning=False)) for info in infos]
        return pl.concat(frames, how="diagonal")
    footers = read_footers(store, infos)
    infos = [info for info in infos if footers[info.key].fingerprint]  # without deleted and damaged files
    empty = [_uniform(pl.DataFrame(footers[info.key].schema.empty_table()).lazy()).collect() for info in infos]
    schema = pl.concat(empty, how="diagonal").schema

    def load(info: ObjectInfo, wanted: list[str]) -> pl.DataFrame:
        own = [name for name in wanted if name in footers[info.key].schema.names]
        return _uniform(pl.read_parquet(io.BytesIO(store.get(info.key)), columns=own).lazy()).collect()

    def source(
        projection: list[str] | None, predicate: pl.Expr | None, rows: int | None, _batch: int | None
    ) -> Iterator[pl.DataFrame]:
        wanted = projection or schema.names()
        # A query without columns (a count) still needs the rows.
        template = pl.DataFrame(schema=schema).select(wanted)
        for frame in in_order(lambda info: load(info, wanted), infos, _AHEAD, name="scan"):
            full = pl.concat([template, frame], how="diagonal").select(wanted)
            if predicate is not None:
                full = full.filter(predicate)
            if rows is not None:
                full = full.head(rows)
                rows -= full.height
            yield full
            if rows == 0:
                return

    return register_io_source(source, schema=schema)


def _uniform(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.with_columns(cs.by_name("embedding", require_all=False).cast(pl.List(pl.Float16)))
