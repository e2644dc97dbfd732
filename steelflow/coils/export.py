"""The coil list as a file: CSV for spreadsheet programs, Parquet for everything else."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import polars as pl

from steelflow.errors import ConfigError
from steelflow.report.sheets import for_spreadsheets


def as_csv(rows: pl.DataFrame) -> bytes:
    """For spreadsheet programs. The text has a byte-order mark: without it, some of them do not read it as UTF-8."""
    return for_spreadsheets(rows).write_csv(include_bom=True).encode()


def as_parquet(rows: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


_FORMATS: dict[str, Callable[[pl.DataFrame], bytes]] = {".csv": as_csv, ".parquet": as_parquet}


def write_list(rows: pl.DataFrame, out: Path) -> None:
    """Write the list in the format of the file's suffix, complete or not at all.

    Raises:
        ConfigError: another suffix, or the file cannot be written.
    """
    if out.suffix.lower() not in _FORMATS:
        raise ConfigError(f"{out}: the suffix must be {' or '.join(_FORMATS)}")
    part = out.with_name(f".{out.name}.part")
    try:
        part.write_bytes(_FORMATS[out.suffix.lower()](rows))
        part.replace(out)
    except OSError as exc:
        part.unlink(missing_ok=True)
        raise ConfigError(f"{out}: cannot be written ({exc.strerror or type(exc).__name__})") from exc
