"""What is shown, to take away: CSV for table programs, Parquet for all else."""

from __future__ import annotations

import io

import polars as pl

_FORMULA = r"^([=+\-@\t\r])"


def as_csv(rows: pl.DataFrame) -> bytes:
    """A text that a table program would run as a formula gets an apostrophe before it."""
    return rows.with_columns(pl.col(pl.String).str.replace(_FORMULA, "'$1")).write_csv().encode()


def as_parquet(rows: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
