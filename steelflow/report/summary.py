"""Aggregates of a partition, small enough for a dashboard to read years of them."""

from __future__ import annotations

import io
from collections.abc import Sequence

import polars as pl

from steelflow.errors import ObjectNotFound, ReportError
from steelflow.records import Partition
from steelflow.report.layout import REPORTS, folder, summary_key
from steelflow.report.scan import scan
from steelflow.schema import QUALITY
from steelflow.store.base import Store

BANDS = (0.5, 0.7, 0.9, 0.99)
"""Lower bounds of the confidence bands 1 to 4. Band 0 is below the first bound."""

KEYS = ("coil", "status", "label", "band", "model")
MEANS = ("confidence", *QUALITY)
COLUMNS = (*KEYS, "images", *MEANS)
SUMMARY = pl.Schema(
    {"coil": pl.String(), "status": pl.String(), "label": pl.String(), "band": pl.UInt8(), "model": pl.String()}
    | {"images": pl.UInt32()}
    | dict.fromkeys(MEANS, pl.Float32())
)


def write_summary(store: Store, partition: Partition) -> None:
    """Count the rows of the partition's reports by ``KEYS``, and write the summary.

    ``band`` is the confidence band; it is null for images that could not be read. ``model`` is name and version. The
    means are over the images of the group: ``confidence`` of the label, and the four quality figures.
    """
    files = [info for info in store.list(REPORTS + folder(partition)) if info.key.endswith(".parquet")]
    if not files:
        return
    rows = scan(store, files)
    there = rows.collect_schema().names()
    asked = ("coil", "status", "label", "model_name", "model_version", *MEANS)
    frame = (
        rows.select(pl.col(name) if name in there else pl.lit(None).alias(name) for name in asked)
        .with_columns(
            band=band(pl.col("confidence")), model=pl.concat_str("model_name", "model_version", separator=" ")
        )
        .group_by(KEYS)
        .agg(pl.len().alias("images"), *(pl.col(name).cast(pl.Float32).mean() for name in MEANS))
        .sort(KEYS, nulls_last=True)
        .select(COLUMNS)
        .collect()
    )
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    store.put(summary_key(partition), buffer.getvalue())


def read_summary(data: bytes) -> pl.DataFrame:
    """A summary with the columns ``COLUMNS``. Columns that an older version did not write are null."""
    frame = pl.read_parquet(io.BytesIO(data), hive_partitioning=False)
    if frame.schema == SUMMARY:
        return frame
    empty = pl.DataFrame(schema=SUMMARY)
    return pl.concat(
        [empty, frame.select(pl.col(name).cast(SUMMARY[name]) for name in SUMMARY if name in frame.columns)],
        how="diagonal",
    )


def load_summary(store: Store, partition: Partition) -> pl.DataFrame:
    """The summary of a partition, as from ``read_summary``.

    Raises:
        ObjectNotFound: there is no summary.
        ReportError: the summary is damaged.
    """
    key = summary_key(partition)
    try:
        return read_summary(store.get(key))
    except pl.exceptions.PolarsError as exc:
        raise ReportError(
            f"{store.uri}/{key}: is damaged; run `steelflow nightly --date {partition.date}` to write it again"
        ) from exc


def is_current(store: Store, partition: Partition) -> bool:
    """Whether the partition has a summary with all columns. Otherwise it must be written again."""
    try:
        return set(COLUMNS) <= set(pl.read_parquet_schema(io.BytesIO(store.get(summary_key(partition)))))
    except (ObjectNotFound, pl.exceptions.PolarsError):
        return False


def merged(summary: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The rows of a summary by fewer keys: images are added, means are weighted by images."""
    images = pl.col("images")
    means = []
    for name in MEANS:
        known = images.filter(pl.col(name).is_not_null()).sum()
        means.append(pl.when(known > 0).then((pl.col(name) * images).sum() / known).alias(name))
    return summary.group_by(keys).agg(images.sum(), *means)


def band(confidence: pl.Expr) -> pl.Expr:
    """The band of a confidence, see ``BANDS``."""
    passed = pl.sum_horizontal((confidence >= pl.lit(start, pl.Float32)).cast(pl.UInt8) for start in BANDS)
    return pl.when(confidence.is_not_null()).then(passed).cast(pl.UInt8)
