"""Downloads of figures: CSV for spreadsheet programs, Parquet for everything else."""

from __future__ import annotations

import io

import polars as pl

_FORMULA = r"^([=+\-@\t\r])"


def as_csv(rows: pl.DataFrame) -> bytes:
    """A text that a spreadsheet program would run as a formula gets a leading apostrophe."""
    return rows.with_columns(pl.col(pl.String).str.replace(_FORMULA, "'$1")).write_csv().encode()


def as_parquet(rows: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
