"""Downloads of figures: CSV for spreadsheet programs, Parquet for everything else."""

from __future__ import annotations

import io

import polars as pl

from steelflow.report.sheets import for_spreadsheets


def as_csv(rows: pl.DataFrame) -> bytes:
    """For a spreadsheet program, which runs none of the texts as a formula."""
    return for_spreadsheets(rows).write_csv().encode()


def as_parquet(rows: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
