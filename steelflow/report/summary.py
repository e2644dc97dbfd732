"""Aggregates of a partition, small enough that a dashboard reads years of them."""

from __future__ import annotations

import io

import polars as pl

from steelflow.records import Partition
from steelflow.report.layout import REPORTS, folder, summary_key
from steelflow.report.scan import scan
from steelflow.store.base import Store

COLUMNS = ("coil", "status", "label", "images", "confidence", "brightness", "contrast", "sharpness", "saturation")


def write_summary(store: Store, partition: Partition) -> None:
    """Count the partition's reports by coil, status and label, and put the result at its derived key.

    Means are over the images of the group: ``confidence`` of the label, and the four quality figures.
    """
    means = [pl.col(name).mean() for name in COLUMNS[4:]]
    files = [info for info in store.list(REPORTS + folder(partition)) if info.key.endswith(".parquet")]
    if not files:
        return
    frame = (
        scan(store, files, COLUMNS[0:3] + COLUMNS[4:])
        .group_by("coil", "status", "label")
        .agg(pl.len().alias("images"), *means)
        .sort("coil", "status", "label", nulls_last=True)
        .select(COLUMNS)
        .collect()
    )
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    store.put(summary_key(partition), buffer.getvalue())
