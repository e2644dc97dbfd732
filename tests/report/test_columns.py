"""Columns by their buffers are those that pyarrow makes of the same values."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from steelflow.report.columns import numbers, same_text, some_numbers, texts, times, vectors
from steelflow.schema import STAMP

NOW = dt.datetime(2026, 11, 18, 2, 30, 1, 7, tzinfo=dt.UTC)
MISSING = np.array([False, True, False, False, True, False, False, False, True])
"""More than eight: the bits of nine values are two bytes."""


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["a"],
        ["", "b", "cd"],
        ["x", None, "é", "日本", None],
        [None, None],
        ["plain"] * 9 + [None],
        [None, *"éééééééé"],
    ],
)
def test_texts(values: list[str | None]) -> None:
    found = texts(values)
    found.validate(full=True)
    assert found.equals(pa.array(values, pa.string()))


@pytest.mark.parametrize("value", ["", "a", "Größe", None])
@pytest.mark.parametrize("count", [0, 1, 9])
def test_the_same_text(value: str | None, count: int) -> None:
    found = same_text(value, count)
    found.validate(full=True)
    assert found.equals(pa.array([value] * count, pa.string()))


@pytest.mark.parametrize("values", [[], [1, 2], [None, 3], [None, None], [0] * 9 + [None]])
@pytest.mark.parametrize("kind", [pa.int32(), pa.float64(), pa.date32()])
def test_some_numbers(values: list[int | None], kind: pa.DataType) -> None:
    found = some_numbers(values, kind)
    found.validate(full=True)
    assert found.equals(pa.array(values, pa.int32()).cast(kind))


@pytest.mark.parametrize("values", [[], [NOW], [None, NOW, NOW.astimezone(dt.timezone(dt.timedelta(hours=5)))], [None]])
def test_times(values: list[dt.datetime | None]) -> None:
    assert times(values, STAMP).equals(pa.array(values, STAMP))


@pytest.mark.parametrize("missing", [None, MISSING, np.zeros(9, bool), np.ones(9, bool)])
@pytest.mark.parametrize("kind", [pa.float32(), pa.int32(), pa.bool_()])
def test_numbers(missing: Any, kind: pa.DataType) -> None:
    values = np.arange(18)[::2] % 3  # not contiguous
    values = values.astype(bool) if kind == pa.bool_() else values
    found = numbers(values, kind, missing)
    found.validate(full=True)
    assert found.equals(pa.array(values.astype(kind.to_pandas_dtype()), kind, mask=missing))


@pytest.mark.parametrize("missing", [None, MISSING])
def test_vectors(missing: Any) -> None:
    kind = pa.list_(pa.field("item", pa.float16(), nullable=False), 4)
    values = np.arange(36, dtype=np.float16).reshape(9, 4)
    found = vectors(values, kind, missing)
    found.validate(full=True)
    gone = np.zeros(9, bool) if missing is None else missing
    assert found.to_pylist() == [None if gone[i] else values[i].tolist() for i in range(9)]


def test_what_is_no_unicode_is_an_error() -> None:
    with pytest.raises(UnicodeEncodeError):
        texts(["\udce9"])


def test_no_column_imports_pandas() -> None:
    code = (
        "import sys, numpy as np, pyarrow as pa; from steelflow.report import columns as c, region_file;"
        "c.texts(['a', None]); c.same_text('a', 2); c.same_text(None, 2); c.some_numbers([1, None], pa.int32());"
        "c.numbers(np.zeros(2), pa.float32(), np.array([True, False])); sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
