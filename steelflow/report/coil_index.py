"""The names of all coils of all nights, without reading a report: where a coil is found by its name."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from steelflow.errors import ObjectNotFound, ReportError
from steelflow.records import Partition
from steelflow.report.daily import month_file, parts_by_month
from steelflow.report.summary import load_summary
from steelflow.store.base import Store

_THREADS = 16

COILS = pl.Schema({"date": pl.Date(), "line": pl.String(), "coil": pl.String()})


def coil_index(store: Store) -> pl.DataFrame:
    """The coils of every night and line, columns ``COILS``, ascending.

    The months' files have the names (see ``report.daily``). Only summaries that a month's file does not have, or has in
    an older state, are read; one that is damaged is left out.

    Raises:
        StoreError: the summaries cannot be listed or read.
    """
    months = parts_by_month(store)
    named: list[tuple[Partition, Sequence[str | None]]] = []
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="coils") as pool:
        files = pool.map(lambda month: month_file(store, month), months)
        missing: list[Partition] = []
        for parts, (known, _) in zip(months.values(), files, strict=True):
            for partition, info in parts:
                etag, coils = known.get(info.key, ("", ()))
                if etag == info.etag:
                    named.append((partition, coils))
                else:
                    missing.append(partition)
        named += zip(missing, pool.map(lambda partition: _coils(store, partition), missing), strict=True)
    rows = [(found.date, found.line, coil) for found, coils in named for coil in coils if coil is not None]
    return pl.DataFrame(rows, schema=COILS, orient="row").sort(COILS.names(), nulls_last=True)


def _coils(store: Store, partition: Partition) -> list[str | None]:
    try:
        return load_summary(store, partition)["coil"].unique().to_list()
    except (ObjectNotFound, ReportError):
        return []
