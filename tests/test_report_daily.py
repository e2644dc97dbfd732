"""The daily figures are those of the summaries, whatever their shortcut says."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelflow.config import StoreSettings
from steelflow.records import Partition
from steelflow.report.daily import SCHEMA, daily, write_daily
from steelflow.report.layout import DAILY, summary_key
from steelflow.report.reader import ReportReader
from steelflow.report.runs import run_nights, run_records
from steelflow.report.summary import read_summary
from steelflow.store import Store, open_store

DAY = dt.date(2026, 11, 29)
CLASSES = ("crazing", "patches", "scratches")


def put_summary(store: Store, line: str, date: dt.date, counts: dict[tuple[str, str | None], int]) -> None:
    """``counts``: images by coil and label; no label is an image that could not be read."""
    frame = pl.DataFrame(
        [
            (coil, "failed" if label is None else "ok", label, n, None if label is None else 0.5 + n / 1000)
            for (coil, label), n in counts.items()
        ],
        schema={
            "coil": pl.String,
            "status": pl.String,
            "label": pl.String,
            "images": pl.UInt32,
            "confidence": pl.Float32,
        },
        orient="row",
    )
    buffer = io.BytesIO()
    frame.write_parquet(buffer)  # without the quality figures: as an older version wrote them
    store.put(summary_key(Partition(line, date)), buffer.getvalue())


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "s3":
        make: Callable[[], Store] = request.getfixturevalue("fresh_bucket")
        return make()
    return open_store(str(tmp_path / "report"), StoreSettings(), create=True)


def fill(store: Store) -> None:
    for day in range(4):  # the last ones are in the next month
        for line in ("L1", "L2"):
            date = DAY + dt.timedelta(days=day)
            put_summary(store, line, date, {("C1", "scratches"): 5 + day, ("C2", "scratches"): 2, ("C2", None): 1})


def by_hand(store: Store) -> pl.DataFrame:
    summary = ReportReader(store).summary()
    return summary.group_by("date", "line", "status", "label").agg(pl.col("images").sum(), pl.col("coil").n_unique())


def agrees(store: Store) -> bool:
    found, expected = daily(store), by_hand(store)
    both = found.join(expected, on=["date", "line", "status", "label"], nulls_equal=True, how="full", suffix="_other")
    same = (pl.col("images") == pl.col("images_other")) & (pl.col("coils") == pl.col("coil"))
    return both.height == found.height == expected.height and bool(both.select(same.all()).item())


def test_the_same_with_the_shortcut_without_it_and_when_it_is_old(store: Store) -> None:
    fill(store)
    assert agrees(store)
    before = daily(store)
    assert write_daily(store) == 2  # months
    assert write_daily(store) == 0  # nothing has changed
    assert daily(store).equals(before)
    put_summary(store, "L1", DAY, {("C9", "patches"): 40})
    assert agrees(store)
    assert daily(store).filter(pl.col("label") == "patches")["images"].to_list() == [40]
    store.delete(summary_key(Partition("L2", DAY)))
    assert agrees(store)
    assert write_daily(store, [DAY]) == 1
    assert agrees(store)


def test_all_coils_of_a_line_are_counted_once(store: Store) -> None:
    fill(store)
    first = daily(store, DAY, DAY)
    assert first.schema == SCHEMA
    assert first["date"].unique().to_list() == [DAY]
    assert first["night_coils"].unique().to_list() == [2]
    scratched = first.filter(pl.col("label") == "scratches")
    assert (scratched["coils"].to_list(), scratched["images"].to_list()) == ([2, 2], [7, 7])
    assert scratched["confidence"].to_list() == pytest.approx([(5 * 0.505 + 2 * 0.502) / 7] * 2)
    assert first.filter(pl.col("status") == "failed")["images"].to_list() == [1, 1]


@pytest.mark.parametrize("damage", [b"", b"no parquet", b"PAR1xxxxPAR1"])
def test_a_damaged_shortcut_is_passed_over(store: Store, damage: bytes) -> None:
    fill(store)
    write_daily(store)
    for info in list(store.list(DAILY)):
        store.put(info.key, damage)
    assert agrees(store)
    assert write_daily(store) == 2


def test_nothing_there(store: Store) -> None:
    assert daily(store).is_empty()
    assert write_daily(store) == 0
    assert run_nights(store) == []
    assert run_records(store, 5) == []


def test_a_summary_of_an_older_version_has_null_where_it_lacks_a_column(store: Store) -> None:
    put_summary(store, "L1", DAY, {("C1", "patches"): 3})
    assert read_summary(store.get(summary_key(Partition("L1", DAY))))["sharpness"].to_list() == [None]
    assert ReportReader(store).summary([DAY])["brightness"].to_list() == [None]


def test_run_records_latest_first_and_damaged_ones_left_out(store: Store) -> None:
    for day in range(3):
        date = DAY + dt.timedelta(days=day)
        for run in range(2):
            text = f'{{"date": "{date}", "state": "complete", "started_at": "{date}T0{run}:00:00+00:00"}}'
            store.put(f"runs/date={date}/{run}.json", text.encode())
    store.put(f"runs/date={DAY + dt.timedelta(days=2)}/2.json", b"{half")
    store.put(f"runs/date={DAY + dt.timedelta(days=2)}/3.json", b"[]")
    found = run_records(store, 2)
    assert [(one["date"][-2:], one["started_at"][11:13]) for one in found] == [
        ("01", "01"),
        ("01", "00"),
        ("30", "01"),
        ("30", "00"),
    ]
    assert len(run_nights(store)) == 3
    assert {one["date"] for one in run_records(store, 9, before=DAY)} == {DAY.isoformat()}


Counts = st.dictionaries(
    st.tuples(st.sampled_from(["C1", "C2", "C3"]), st.sampled_from([*CLASSES, None])), st.integers(1, 50), min_size=1
)


@settings(max_examples=25, deadline=None)
@given(
    nights=st.dictionaries(st.tuples(st.sampled_from(["L1", "L 2/<b>"]), st.integers(0, 60)), Counts, max_size=5),
    later=st.dictionaries(st.tuples(st.sampled_from(["L1", "L 2/<b>"]), st.integers(0, 60)), Counts, max_size=3),
)
def test_any_summaries_in_any_order(
    tmp_path_factory: pytest.TempPathFactory,
    nights: dict[tuple[str, int], dict[tuple[str, str | None], int]],
    later: dict[tuple[str, int], dict[tuple[str, str | None], int]],
) -> None:
    store = open_store(str(tmp_path_factory.mktemp("report")), StoreSettings(), create=True)
    for wave in (nights, later):
        for (line, day), counts in wave.items():
            put_summary(store, line, DAY + dt.timedelta(days=day), counts)
        assert agrees(store)
        write_daily(store)
        assert agrees(store)
