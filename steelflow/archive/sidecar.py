"""Sidecars: tables that describe the images beside them and in the folders below.

``frames.csv``, ``frames.json`` or ``frames.parquet`` has one row per image. ``name`` is the image's path, relative to
the folder of the sidecar. Every other column of ``COLUMNS`` may be missing, and every value may be empty.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import NoReturn

import pyarrow as pa
import pyarrow.parquet as pq

from steelflow.config import MIB
from steelflow.errors import shown

MAX_BYTES = 8 * MIB
MAX_ROWS = 200_000
_MAX_TEXT = 4096  # characters of one text in Parquet, where a small file can repeat a long one a million times
_MAX_UNPACKED = 64 * MIB
_BATCH = 4096
_SHOWN_COLUMNS = 12
_COLUMN_NAME = re.compile(r"[a-z][a-z0-9_ -]{0,29}")  # anything else is no header, but a file that is not meant for us

SPLIT = "write a sidecar per folder"

COLUMNS = (
    "name",
    "coil",
    "position",
    "captured_at",
    "camera",
    "side",
    "frame",
    "mm_across",
    "mm_along",
    "grade",
)
_WITH_COMMA = frozenset(("position", "mm_across", "mm_along"))
_DECIMAL_COMMA = re.compile(r"\s*[+-]?[0-9]+,[0-9]+\s*")

RawRow = tuple[str, dict[str, object]]
"""Where the row is in the file (``row 12``), and its values by column."""


Warn = Callable[[str], None]


class SidecarError(Exception):
    """The whole sidecar cannot be used. The message says why, without the name of the file."""


def raw_rows(key: str, data: bytes, warn: Warn) -> Iterator[RawRow]:
    """The rows of a sidecar as they are in the file, read by its suffix. ``warn`` is called with what is left out.

    Raises, while reading:
        SidecarError: it is too large, damaged, or has no column ``name``. The rows before the damage were given.
    """
    if len(data) > MAX_BYTES:
        raise SidecarError(f"{len(data):,} bytes, the limit is {MAX_BYTES:,}; {SPLIT}")
    suffix = key.rpartition(".")[2].lower()
    read = {"csv": _csv_rows, "json": _json_rows, "parquet": _parquet_rows}[suffix]
    for number, row in enumerate(read(data, warn), 1):
        if number > MAX_ROWS:
            raise SidecarError(f"more than {MAX_ROWS:,} rows; {SPLIT}")
        yield row


def _columns(names: Sequence[object], warn: Warn) -> list[str]:
    columns = [str(name).strip().lower() for name in names]
    if "name" not in columns:
        names = ", ".join(column for column in columns[:_SHOWN_COLUMNS] if _COLUMN_NAME.fullmatch(column))
        raise SidecarError(f"has no column 'name'; its columns are {names or 'no names of columns'}")
    if twice := next((name for name in columns if name in COLUMNS and columns.count(name) > 1), None):
        raise SidecarError(f"has the column {twice!r} twice")
    _warn_of_misspelt(columns, warn)
    return columns


def _warn_of_misspelt(columns: Iterable[str], warn: Warn) -> None:
    """Report columns whose names are almost ours. Other columns are the mill's own, and not read."""
    for column in columns:
        if column not in (*COLUMNS, "line", "date") and (match := get_close_matches(column, COLUMNS, 1, 0.8)):
            warn(f"column {column[:60]!r} is not read; {match[0]!r} would be")


def _csv_rows(data: bytes, warn: Warn) -> Iterator[RawRow]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise SidecarError(f"is not UTF-8 (byte {exc.start:,}); save it as 'CSV UTF-8'") from exc
    first = text.partition("\n")[0]
    comma = max(",;\t", key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=comma, strict=True)
    try:
        columns = _columns(next(lines, []), warn)
        for values in lines:
            if not any(value.strip() for value in values):
                continue
            where = f"line {lines.line_num}"
            if len(values) != len(columns):
                warn(f"{where} has {len(values)} values for {len(columns)} columns; it is not used")
                continue
            row: dict[str, object] = dict(zip(columns, values, strict=True))
            if comma != ",":
                for name in _WITH_COMMA & row.keys():
                    if _DECIMAL_COMMA.fullmatch(str(row[name])):
                        row[name] = str(row[name]).replace(",", ".")
            yield where, row
    except csv.Error as exc:
        raise SidecarError(f"line {lines.line_num}: {exc}; no later line is read") from exc


def _json_rows(data: bytes, warn: Warn) -> Iterator[RawRow]:
    """A list of objects with ``name``, or one object of objects by name."""
    try:
        content = json.loads(data, object_pairs_hook=_unique, parse_constant=_no_number)
    except (ValueError, RecursionError) as exc:
        raise SidecarError(f"is not JSON: {' '.join(str(exc).split())[:200]}") from exc
    rows = [{"name": name, **_object(row)} for name, row in content.items()] if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise SidecarError("has neither a list of objects nor an object by name")
    seen: set[str] = set()
    for number, row in enumerate(rows, 1):
        found = {key.strip().lower(): value for key, value in _object(row).items()}
        _warn_of_misspelt(found.keys() - seen, warn)
        seen |= found.keys()
        yield f"entry {number}", found


def _object(row: object) -> dict[str, object]:
    if not isinstance(row, dict):
        raise SidecarError(f"has a {type(row).__name__} where the values of an image should be: {{'position': 1.5, …}}")
    return row


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{shown(next(name for name in names if names.count(name) > 1))} occurs twice in one object")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number; leave the value out")


def _parquet_rows(data: bytes, warn: Warn) -> Iterator[RawRow]:
    try:
        # Texts stay dictionaries: a long one that repeats is in memory once.
        names = pq.read_schema(pa.BufferReader(data)).names
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=names)
        meta = file.metadata
        unpacked = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
        if meta.num_rows > MAX_ROWS or unpacked > _MAX_UNPACKED:
            raise SidecarError(f"{meta.num_rows:,} rows of {unpacked:,} bytes are too many; {SPLIT}")
        ours = {name: column for name, column in zip(names, _columns(names, warn), strict=True) if column in COLUMNS}
        start = 1
        for batch in file.iter_batches(_BATCH, columns=list(ours)):
            columns = {ours[name]: _bounded(batch.column(name)).to_pylist() for name in batch.schema.names}
            for i in range(batch.num_rows):
                yield f"row {start + i}", {column: values[i] for column, values in columns.items()}
            start += batch.num_rows
    except (pa.ArrowException, OSError, ValueError, OverflowError) as exc:
        raise SidecarError(f"is not Parquet, or damaged: {' '.join(str(exc).split())[:200]}") from exc


def _bounded(column: pa.Array) -> pa.Array:
    """The column as it can be turned into Python values: without long texts, and times in microseconds."""
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    if pa.types.is_dictionary(column.type):
        import pyarrow.compute as pc  # 5 MiB that few archives need

        texts = column.dictionary
        is_text = pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)
        if is_text and len(texts) and (pc.max(pc.utf8_length(texts)).as_py() or 0) > _MAX_TEXT:
            raise SidecarError(f"has a text of more than {_MAX_TEXT:,} characters")
    return column
