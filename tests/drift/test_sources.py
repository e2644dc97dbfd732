"""Reports in any layout are read night by night: no row is lost, and none is counted twice."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

import polars as pl
import pytest
from nights import DAY, night_rows, put_report

from steelflow.archive.template import KeyTemplate
from steelflow.drift.check import MOST_ROWS
from steelflow.drift.sources import nights_in
from steelflow.errors import DriftError
from steelflow.store.local import LocalStore

TEMPLATE = KeyTemplate("line={line}/date={date}/coil={coil}/{name}")
NEXT = DAY + dt.timedelta(1)
Found = list[tuple[dt.date | None, dict[str | None, int]]]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "report", create=True)


def put(store: LocalStore, key: str, rows: pl.DataFrame) -> None:
    buffer = io.BytesIO()
    rows.with_columns(status=pl.lit("ok")).write_parquet(buffer)
    store.put(key, buffer.getvalue())


def found(store: LocalStore) -> Found:
    nights = list(nights_in(store, TEMPLATE))
    for date, samples in nights:
        for line, one in samples.items():
            assert one.rows.height == min(one.images, MOST_ROWS)
            assert set(one.rows["date"]) == {date}
            assert set(one.rows["line"]) == {line}
    return [(date, {line: one.images for line, one in samples.items()}) for date, samples in nights]


def test_units_of_a_line_are_one_sample_and_nights_come_oldest_first(store: LocalStore) -> None:
    put_report(store, NEXT, "L1", night_rows(40, seed=1))
    put_report(store, DAY, "L1", night_rows(30, seed=2), unit="a")
    put_report(store, DAY, "L1", night_rows(20, seed=3), unit="b")
    put_report(store, DAY, "L2", night_rows(10, seed=4))
    assert found(store) == [(DAY, {"L1": 50, "L2": 10}), (NEXT, {"L1": 40})]


def test_beside_reports_nothing_else_is_read(store: LocalStore) -> None:
    put_report(store, DAY, "L1", night_rows(30, seed=1))
    put(store, f"exports/date={DAY}/line=L1/copy.parquet", night_rows(30, seed=1))
    assert found(store) == [(DAY, {"L1": 30})]


def test_a_hive_without_the_folder_of_reports(store: LocalStore) -> None:
    put(store, f"date={DAY}/line=L1/a.parquet", night_rows(30, seed=1))
    put(store, f"date={DAY}/line=L2/a.parquet", night_rows(20, seed=2))
    store.put("notes.txt", b"no report")
    buffer = io.BytesIO()
    pl.DataFrame({"a": [1]}).write_parquet(buffer)
    store.put(f"date={DAY}/line=L1/other.parquet", buffer.getvalue())
    assert found(store) == [(DAY, {"L1": 30, "L2": 20})]


def test_flat_files_are_parted_by_their_columns_or_else_by_the_keys(store: LocalStore) -> None:
    said = night_rows(30, seed=1).with_columns(
        line=pl.lit("L1"), date=pl.when(pl.int_range(pl.len()) < 10).then(pl.lit(NEXT)).otherwise(pl.lit(DAY))
    )
    key = pl.format("line=L2/date={}/coil=C1/{}", pl.lit(str(DAY)), pl.col("object_key"))
    put(store, "a.parquet", said)
    put(store, "b.parquet", night_rows(5, seed=2).with_columns(object_key=key))
    put(store, "c.parquet", night_rows(7, seed=3).with_columns(object_key=key, line=pl.lit("L3")))
    assert found(store) == [(DAY, {"L1": 20, "L2": 5, "L3": 7}), (NEXT, {"L1": 10})]


def test_images_whose_keys_say_nothing_are_of_no_line_and_no_night(store: LocalStore) -> None:
    put(store, "a.parquet", night_rows(5, seed=2))
    assert [
        (date, {line: one.images for line, one in samples.items()}) for date, samples in nights_in(store, TEMPLATE)
    ] == [(None, {None: 5})]


def test_a_sample_is_bounded_and_all_images_are_counted(store: LocalStore) -> None:
    put_report(store, DAY, "L1", night_rows(MOST_ROWS - 100, seed=1), unit="a")
    put_report(store, DAY, "L1", night_rows(300, seed=2), unit="b")
    assert found(store) == [(DAY, {"L1": MOST_ROWS + 200})]


def test_a_place_without_reports_is_refused(store: LocalStore) -> None:
    with pytest.raises(DriftError, match="no reports with readable images"):
        found(store)
    put(store, "a.parquet", night_rows(5).with_columns(label=pl.lit(None, pl.String)))
    with pytest.raises(DriftError, match="no reports with readable images"):
        found(store)
