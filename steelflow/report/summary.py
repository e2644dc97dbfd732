"""Aggregates of a partition, small enough that a dashboard reads years of them."""

from __future__ import annotations

import io

import polars as pl

from steelflow.records import Partition
from steelflow.report.layout import REPORTS, folder, summary_key
from steelflow.report.scan import scan
from steelflow.store.base import Store

MEANS = ("confidence", "brightness", "contrast", "sharpness", "saturation")
COLUMNS = ("coil", "status", "label", "images", *MEANS)
_SCHEMA = pl.Schema(
    {"coil": pl.String(), "status": pl.String(), "label": pl.String(), "images": pl.UInt32()}
    | dict.fromkeys(MEANS, pl.Float32())
)


def write_summary(store: Store, partition: Partition) -> None:
    """Count the partition's reports by coil, status and label, and put the result at its derived key.

    Means are over the images of the group: ``confidence`` of the label, and the four quality figures.
    """
    means = [pl.col(name).mean() for name in MEANS]
    files = [info for info in store.list(REPORTS + folder(partition)) if info.key.endswith(".parquet")]
    if not files:
        return
    frame = (
        scan(store, files, (*COLUMNS[0:3], *MEANS))
        .group_by("coil", "status", "label")
        .agg(pl.len().alias("images"), *means)
        .sort("coil", "status", "label", nulls_last=True)
        .select(COLUMNS)
        .collect()
    )
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    store.put(summary_key(partition), buffer.getvalue())


def read_summary(data: bytes) -> pl.DataFrame:
    """A summary with the columns ``COLUMNS``; one that is missing, as in those of older versions, is null."""
    frame = pl.read_parquet(io.BytesIO(data), hive_partitioning=False)
    empty = pl.DataFrame(schema=_SCHEMA)
    return pl.concat(
        [empty, frame.select(pl.col(name).cast(_SCHEMA[name]) for name in _SCHEMA if name in frame.columns)],
        how="diagonal",
    )
