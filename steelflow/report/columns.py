"""Arrow arrays from plain values, by their buffers.

``pyarrow.array`` imports pandas with its first call where pandas is installed, which takes a third of a second. And it
looks at each value again to learn what the caller knows: its type, and which are missing. ``pyarrow.compute`` costs
5 MiB when it is imported; ``Array.take`` and ``Array.cast`` import it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Mask = npt.NDArray[np.bool_]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_MOST_BYTES = (1 << 31) - 1  # of the texts of an array


def numbers(values: npt.NDArray[Any], kind: pa.DataType, missing: Mask | None = None) -> pa.Array:
    """The values (N,) as ``kind``, a number, a time or a truth value; null where ``missing`` (N,) says so."""
    if pa.types.is_boolean(kind):
        data = np.packbits(values, bitorder="little")
    else:
        data = np.ascontiguousarray(values, np.dtype(_plain(kind).to_pandas_dtype()))
    return pa.Array.from_buffers(kind, len(values), [_validity(missing), pa.py_buffer(data)])


def known_numbers(values: npt.NDArray[Any], kind: pa.DataType, missing: Mask | None = None) -> pa.Array:
    """As ``numbers``; NaN is null, too."""
    unknown = np.isnan(values)
    return numbers(values, kind, unknown if missing is None else unknown | missing)


def some_numbers(values: Sequence[float | None], kind: pa.DataType) -> pa.Array:
    """The values as ``kind``, a number; None is null."""
    missing = np.fromiter((value is None for value in values), bool, len(values))
    if missing.all():
        return pa.nulls(len(values), kind) if len(values) else numbers(np.zeros(0), kind)
    plain = [0 if value is None else value for value in values]
    return numbers(np.array(plain), kind, missing)


def times(values: Sequence[dt.datetime | None], kind: pa.DataType) -> pa.Array:
    """Moments with a zone as ``kind``, a time stamp in microseconds; None is null."""
    return some_numbers([None if value is None else (value - _EPOCH) // _MICROSECOND for value in values], kind)


def texts(values: Sequence[str | None]) -> pa.Array:
    """Texts; None is null. Raises ``UnicodeEncodeError`` for what is no Unicode."""
    missing = np.fromiter((value is None for value in values), bool, len(values))
    whole = "".join(value for value in values if value is not None)
    if whole.isascii():
        data = whole.encode()
        sizes = [0 if value is None else len(value) for value in values]
    else:
        parts = [b"" if value is None else value.encode() for value in values]
        data, sizes = b"".join(parts), list(map(len, parts))
    if len(data) > _MOST_BYTES:
        raise ValueError(f"{len(data):,} bytes of text in one column of a row group")
    ends = np.fromiter(accumulate(sizes, initial=0), np.int32, len(values) + 1)
    buffers = [_validity(missing), pa.py_buffer(ends), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(values), buffers)


def same_text(value: str | None, count: int) -> pa.Array:
    """``count`` times the same text, or null."""
    if value is None:
        return pa.nulls(count, pa.string())
    data = value.encode()
    ends = np.arange(count + 1, dtype=np.int32) * np.int32(len(data))
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(ends), pa.py_buffer(data * count)])


def same_day(day: dt.date | None, count: int) -> pa.Array:
    """``count`` times the same day, or null."""
    return some_numbers([None if day is None else (day - _EPOCH.date()).days] * count, pa.date32())


def vectors(values: npt.NDArray[Any], kind: pa.DataType, missing: Mask | None = None) -> pa.Array:
    """The rows of (N, D) as lists of ``kind``, of a fixed size; null where ``missing`` (N,) says so."""
    flat = numbers(values.ravel(), kind.value_type)
    return pa.Array.from_buffers(kind, len(values), [_validity(missing)], children=[flat])


def _validity(missing: Mask | None) -> pa.Buffer | None:
    if missing is None or not missing.any():
        return None
    return pa.py_buffer(np.packbits(~missing, bitorder="little"))


def _plain(kind: pa.DataType) -> pa.DataType:
    """The number that a value of ``kind`` is stored as."""
    if pa.types.is_timestamp(kind):
        return pa.int64()
    return pa.int32() if pa.types.is_date32(kind) else kind
