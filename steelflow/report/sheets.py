"""Tables for spreadsheet programs, which run a text that begins like a formula: a coil named ``=cmd|…``."""

from __future__ import annotations

import re

import polars as pl

_STARTS = "=+\\-@\\t\\r\\n＝＋－＠"  # the last four are what some programs read as the first four
_FORMULA = f"^([{_STARTS}])"
_ESCAPED = re.compile(f"'(?=[{_STARTS}])")


def for_spreadsheets(rows: pl.DataFrame) -> pl.DataFrame:
    """A text that would be run, also as the name of a column, gets a leading apostrophe; ``original`` removes it."""
    safe = rows.with_columns(pl.col(pl.String, pl.Categorical).cast(pl.String).str.replace(_FORMULA, "'$1"))
    return safe.rename({name: re.sub(_FORMULA, r"'\1", name) for name in rows.columns})


def original(cell: str) -> str:
    """The text of a cell that ``for_spreadsheets`` has escaped."""
    return cell[1:] if _ESCAPED.match(cell) else cell
