"""The file of regions that a report's footer names: read, and its rows counted."""

from __future__ import annotations

import io

import polars as pl

from steelflow.errors import ObjectNotFound, ReportError
from steelflow.report.footer import Footer
from steelflow.schema import region_schema
from steelflow.store.base import Store

EMPTY = pl.DataFrame(schema=pl.Schema(region_schema()))
"""No regions, with the columns of ``schema.region_schema``."""


def load_regions(store: Store, report: str, footer: Footer) -> pl.DataFrame:
    """The regions of the report at the key ``report``, as they are in the file. Columns that an older version did not
    write are null. ``line`` and ``date`` are null in the file of a night: they are in its path.

    Raises:
        ReportError: the regions are not there, or are not as many as the footer says.
    """
    advice = "run `steelflow nightly` for its date again, or `steelflow infer` for its source"
    try:
        frame = pl.read_parquet(io.BytesIO(store.get(footer.regions_file)), hive_partitioning=False)
    except (ObjectNotFound, pl.exceptions.PolarsError) as exc:
        raise ReportError(
            f"{store.uri}/{report}: its {footer.counts.regions} regions are missing or damaged "
            f"({footer.regions_file}); delete the report and {advice}"
        ) from exc
    if frame.height != footer.counts.regions:
        raise ReportError(
            f"{store.uri}/{footer.regions_file}: has {frame.height} regions, but its report has "
            f"{footer.counts.regions}; delete the report and {advice}"
        )
    missing = [name for name in EMPTY.columns if name not in frame.columns]
    return frame.with_columns(pl.lit(None, EMPTY.schema[name]).alias(name) for name in missing)
