"""Reports read back: the same rows from a folder and from S3, of the nights and lines that are asked for."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from steelflow.config import StoreSettings
from steelflow.errors import ReportError
from steelflow.records import Partition
from steelflow.report.layout import REPORTS, folder
from steelflow.report.reader import ReportReader
from steelflow.report.summary import write_summary
from steelflow.store import Store, open_store

DAY = dt.date(2026, 11, 29)
LINES = ("L1", "L2")
FILES = 10  # of the first line's first night: more than are loaded ahead


def day(number: int) -> dt.date:
    return DAY + dt.timedelta(days=number)


def put(store: Store, date: dt.date, line: str, unit: str, rows: pl.DataFrame) -> None:
    buffer = io.BytesIO()
    rows.write_parquet(buffer, metadata={"steelflow.fingerprint": "test", "steelflow.counts": "[0, 0, 0, 0]"})
    store.put(f"{REPORTS}{folder(Partition(line, date))}{unit}.parquet", buffer.getvalue())


def rows(unit: str, labels: str, **more: object) -> pl.DataFrame:
    """An image for each letter: its label, or ``-`` for one that could not be read. Positions fall along the unit."""
    count = len(labels)
    known = [None if letter == "-" else letter for letter in labels]
    frame = pl.DataFrame(
        {
            "object_key": [f"{unit}-{i}.jpg" for i in range(count)],
            "member": pl.Series([None] * count, dtype=pl.String),
            "ordinal": pl.Series(range(count), dtype=pl.Int32),
            "coil": [f"C{i % 2}" for i in range(count)],
            "position": [float(count - i) for i in range(count)],
            "status": ["failed" if label is None else "ok" for label in known],
            "error": pl.Series(["empty: no bytes" if label is None else None for label in known], dtype=pl.String),
            "label": pl.Series(known, dtype=pl.String),
            "confidence": pl.Series([None if label is None else 0.5 + i / 100 for i, label in enumerate(known)]),
            "model_name": ["net"] * count,
            "model_version": ["1"] * count,
        }
    ).with_columns(pl.col("confidence").cast(pl.Float32))
    return frame.with_columns(**{name: pl.lit(value) for name, value in more.items()})


@pytest.fixture(params=["folder", "s3"])
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> ReportReader:
    """Ten nights of two lines; the first line's first night in ten files, its second night by a model with more."""
    if request.param == "s3":
        make: Callable[[], Store] = request.getfixturevalue("fresh_bucket")
        store = make()
    else:
        store = open_store(str(tmp_path / "report"), StoreSettings(), create=True)
    for number in range(FILES):
        put(store, DAY, "L1", f"u{number}", rows(f"u{number}", "aab-"))
    put(store, DAY, "L2", "u0", rows("u0", "bbb"))
    put(store, DAY, "L2", "u1", rows("u1", "bb"))
    put(store, day(1), "L1", "u", rows("u", "a", p_a=0.5, embedding=[1.0, 2.0]))
    for number in range(2, 10):
        put(store, day(number), "L1", "u", rows("u", "c" * number))
    store.put(f"{REPORTS}{folder(Partition('L1', DAY))}notes.txt", b"not a report")
    for number in range(10):
        for line in LINES:
            write_summary(store, Partition(line, day(number)))
    return ReportReader(store)


def test_nights_and_lines_are_read_alone_and_together(reader: ReportReader) -> None:
    assert reader.nights() == [day(number) for number in range(10)]
    counted = {
        (None, None): 40 + 5 + 1 + sum(range(2, 10)),
        ((DAY,), None): 45,
        ((DAY,), ("L1",)): 40,
        ((DAY, DAY), ("L2",)): 5,
        ((DAY, day(1)), ("L1",)): 41,
        (None, ("L2",)): 5,
    }
    for (dates, lines), images in counted.items():
        assert reader.images(dates, lines).select(pl.len()).collect().item() == images
        assert reader.images(dates, lines).collect().height == images
        assert reader.summary(dates, lines)["images"].sum() == images
    with pytest.raises(ReportError, match="no reports for these nights and lines"):
        reader.images([day(1)], ["L2"])
    assert reader.summary([day(1)], ["L2"]).is_empty()


def test_rows_come_in_the_order_of_keys_with_night_and_line(reader: ReportReader) -> None:
    found = reader.images([DAY], ["L1"]).collect()
    assert found["object_key"].to_list() == [f"u{number}-{i}.jpg" for number in range(FILES) for i in range(4)]
    assert found.select("date", "line").unique().rows() == [(DAY, "L1")]


def test_only_some_rows_and_columns(reader: ReportReader) -> None:
    night = reader.images([DAY], ["L1"])
    patches = night.filter(pl.col("label") == "b").select("object_key", "confidence").collect()
    assert patches.columns == ["object_key", "confidence"]
    assert patches["object_key"].to_list() == [f"u{number}-2.jpg" for number in range(FILES)]
    two = reader.images([DAY], ["L2"])
    names = ["u0-0.jpg", "u0-1.jpg", "u0-2.jpg", "u1-0.jpg", "u1-1.jpg"]
    for count in (4, 5, 6):
        assert two.head(count).collect()["object_key"].to_list() == names[:count]
    assert two.filter(pl.col("ordinal") > 0).head(3).collect()["object_key"].to_list() == [*names[1:3], names[4]]


def test_a_column_that_one_model_lacks_is_null(reader: ReportReader) -> None:
    found = reader.images([day(1), day(2)]).select("label", "p_a", "embedding").collect()
    assert found["p_a"].to_list() == [0.5, None, None]
    assert found["embedding"].to_list() == [[1.0, 2.0], None, None]


def test_failures_tell_where_and_why(reader: ReportReader) -> None:
    found = reader.failures([DAY])
    assert found.columns == ["date", "line", "coil", "object_key", "member", "ordinal", "error"]
    assert found["object_key"].to_list() == [f"u{number}-3.jpg" for number in range(FILES)]
    assert set(found["error"]) == {"empty: no bytes"}
    assert reader.failures([DAY], ["L2"]).is_empty()


def test_a_coil_is_read_along_its_length(reader: ReportReader) -> None:
    for coil, positions in (("C0", [1, 3, 5, 7, 9]), ("C1", [2, 4, 6, 8])):
        found = reader.coil(day(9), "L1", coil)
        assert found["position"].to_list() == positions
        assert set(found["coil"]) == {coil}


def test_images_of_unknown_position_come_after_the_others(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "report"), StoreSettings(), create=True)
    unknown = pl.when(pl.col("ordinal") < 3).then(None).otherwise(pl.col("position"))
    put(store, DAY, "L1", "u", rows("u", "abcde").with_columns(coil=pl.lit("C1"), position=unknown))
    found = ReportReader(store).coil(DAY, "L1", "C1")
    assert found["position"].to_list() == [1, 2, None, None, None]
    assert found["ordinal"].to_list() == [4, 3, 0, 1, 2]


def test_shares_of_defects_are_of_the_readable_images_of_a_line_and_night(reader: ReportReader) -> None:
    found = reader.defect_counts([DAY]).select("line", "label", "images", "share").rows()
    assert found == [("L1", "a", 20, pytest.approx(2 / 3)), ("L1", "b", 10, pytest.approx(1 / 3)), ("L2", "b", 5, 1.0)]


@pytest.mark.parametrize("nights", [8, 9])
def test_few_and_many_nights_of_summaries(reader: ReportReader, nights: int) -> None:
    dates = [day(number) for number in range(10 - nights, 10)]
    found = reader.summary(dates)
    assert found["date"].unique().sort().to_list() == dates
    assert found["images"].sum() == sum(max(1, number) for number in range(10 - nights, 10))
    last = found.filter(date=day(9)).select("coil", "status", "label", "images", "confidence").rows()
    assert last == [("C0", "ok", "c", 5, pytest.approx(0.54)), ("C1", "ok", "c", 4, pytest.approx(0.54))]
