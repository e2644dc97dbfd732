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
from steelflow.errors import ReportError
from steelflow.records import Partition
from steelflow.report.daily import SCHEMA, daily, daily_of_coils, write_daily
from steelflow.report.layout import DAILY, REPORTS, folder, summary_key
from steelflow.report.reader import ReportReader
from steelflow.report.runs import backfills, run_nights, run_records
from steelflow.report.summary import is_current, read_summary, write_summary
from steelflow.store import Store, open_store

DAY = dt.date(2026, 11, 29)
CLASSES = ("crazing", "patches", "scratches")


def put_summary(store: Store, line: str | None, date: dt.date, counts: dict[tuple[str, str | None], int]) -> None:
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


NIGHT_KEYS = ["date", "line", "status", "label", "band", "model"]


def put_images(store: Store, line: str, date: dt.date, rows: list[tuple[str, str | None, float | None, str]]) -> None:
    """A report, and its summary. ``rows``: coil, label, confidence and the model's version of each image."""
    schema = {"coil": pl.String, "label": pl.String, "confidence": pl.Float32, "model_version": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        status=pl.when(pl.col("label").is_null()).then(pl.lit("failed")).otherwise(pl.lit("ok")),
        model_name=pl.lit("net"),
        brightness=pl.lit(100.0, pl.Float32),
    )
    told = {"steelflow.fingerprint": "test", "steelflow.counts": "[0, 0, 0, 0]"}
    buffer = io.BytesIO()
    frame.write_parquet(buffer, metadata=told)
    store.put(f"{REPORTS}{folder(Partition(line, date))}u.parquet", buffer.getvalue())
    write_summary(store, Partition(line, date))


def with_keys(rows: pl.DataFrame) -> pl.DataFrame:
    """Images with the band and the model that they count in, by plain comparison."""
    edges = enumerate([0.0, 0.5, 0.7, 0.9, 0.99])
    band = pl.max_horizontal(
        pl.when(pl.col("confidence") >= pl.lit(edge, pl.Float32)).then(pl.lit(number)) for number, edge in edges
    )
    return rows.with_columns(band=band.cast(pl.UInt8), model="net " + pl.col("model_version"))


def agrees(store: Store) -> bool:
    """The images of all bands and models together; and each coil, which is in the rows of several of them, once."""
    by = ["date", "line", "status", "label"]
    expected = by_hand(store)
    found = daily(store).group_by(by).agg(pl.col("images").sum(), pl.col("coils").first())
    if daily(store).unique([*by, "coils", "night_coils"]).height != found.height:
        return False
    both = found.join(expected, on=by, nulls_equal=True, how="full", suffix="_other")
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


def test_a_month_that_is_up_to_date_does_not_keep_the_next_from_being_written(store: Store) -> None:
    fill(store)
    assert write_daily(store) == 2
    december = DAY + dt.timedelta(days=3)
    put_summary(store, "L1", december, {("C9", "patches"): 40})
    assert write_daily(store) == 1
    assert write_daily(store) == 0
    put_summary(store, "L1", december, {("C9", "patches"): 41})
    assert write_daily(store, [DAY]) == 0, "December was not asked for"
    assert write_daily(store, [december]) == 1
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


def test_an_archive_without_lines_has_days_too(store: Store) -> None:
    put_summary(store, None, DAY, {("C1", "patches"): 3, ("C2", None): 1})
    put_summary(store, None, DAY + dt.timedelta(days=1), {("C1", "patches"): 4})
    before = daily(store)
    assert before.select("line", "label", "images").rows() == [
        (None, None, 1),
        (None, "patches", 3),
        (None, "patches", 4),
    ]
    assert write_daily(store) == 1
    assert daily(store).equals(before)
    assert daily_of_coils(store, "C").equals(before)
    assert daily_of_coils(store, "c1")["images"].to_list() == [3, 4]


@pytest.mark.parametrize("damage", [b"", b"no parquet", b"PAR1xxxxPAR1"])
def test_a_damaged_shortcut_is_passed_over(store: Store, damage: bytes) -> None:
    fill(store)
    write_daily(store)
    for info in list(store.list(DAILY)):
        store.put(info.key, damage)
    assert agrees(store)
    assert write_daily(store) == 2


def test_an_empty_store_has_no_days(store: Store) -> None:
    assert daily(store).is_empty()
    assert write_daily(store) == 0
    assert run_nights(store) == []
    assert run_records(store, 5) == []
    assert backfills(store) == {}
    assert daily_of_coils(store, "C").is_empty()


def test_a_summary_of_an_older_version_has_null_where_it_lacks_a_column(store: Store) -> None:
    put_summary(store, "L1", DAY, {("C1", "patches"): 3})
    assert read_summary(store.get(summary_key(Partition("L1", DAY))))["sharpness"].to_list() == [None]
    assert ReportReader(store).summary([DAY])["brightness"].to_list() == [None]


def test_run_records_latest_first_and_damaged_ones_left_out(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    for day in range(3):
        date = DAY + dt.timedelta(days=day)
        for run in range(2):
            text = f'{{"date": "{date}", "state": "complete", "started_at": "{date}T0{run}:00:00+00:00"}}'
            store.put(f"runs/date={date}/{run}.json", text.encode())
    store.put(f"runs/date={DAY + dt.timedelta(days=2)}/2.json", b"{half")
    store.put(f"runs/date={DAY + dt.timedelta(days=2)}/3.json", b"[]")
    store.put("runs/notes/0.json", b"{}")
    store.put("runs/date=__HIVE_DEFAULT_PARTITION__/0.json", b"{}")
    found = run_records(store, 2)
    assert [(one.date.day, one.started_at.hour) for one in found] == [(1, 1), (1, 0), (30, 1), (30, 0)]
    assert sorted(record.getMessage().partition(": ")[0][-6:] for record in caplog.records) == ["2.json", "3.json"]
    assert len(run_nights(store)) == 3
    for name, days in (("first", (1, 0)), ("later", (0,))):
        for day in days:
            date = DAY + dt.timedelta(days=day)
            at = f"{DAY + dt.timedelta(days=9 + len(name))}T0{day}:00:00+00:00"
            text = f'{{"date": "{date}", "state": "complete", "started_at": "{at}", "backfill": "{name}"}}'
            store.put(f"runs/date={date}/{name}.json", text.encode())
    told = {name: [one.date for one in records] for name, records in backfills(store).items()}
    days = [DAY + dt.timedelta(days=day) for day in (0, 1)]
    assert list(told.items()) == [("first", days), ("later", days[:1])]
    assert {one.date for one in run_records(store, 9, before=DAY)} == {DAY}


Image = st.tuples(
    st.sampled_from(["C1", "C2", "c13", "D1"]),
    st.sampled_from([*CLASSES, None]),
    st.sampled_from([0.2, 0.5, 0.69, 0.7, 0.9, 0.9899, 0.99, 1.0]),
    st.sampled_from(["1", "v2"]),
).map(lambda row: row if row[1] is not None else (row[0], None, None, row[3]))


@settings(max_examples=25, deadline=None)
@given(lines=st.dictionaries(st.sampled_from(["L1", "L2"]), st.lists(Image, min_size=1, max_size=30), min_size=1))
def test_bands_and_models_are_what_the_rows_say(
    tmp_path_factory: pytest.TempPathFactory, lines: dict[str, list[tuple[str, str | None, float | None, str]]]
) -> None:
    store = open_store(str(tmp_path_factory.mktemp("report")), StoreSettings(), create=True)
    for line, images in lines.items():
        put_images(store, line, DAY, images)
    rows = with_keys(ReportReader(store).images().collect())
    assert agrees(store), "coils are counted once, whatever their bands and models"
    write_daily(store)
    for found, expected in (
        (daily(store), rows),
        (daily_of_coils(store, "C1"), rows.filter(pl.col("coil").is_in(["C1", "c13"]))),
    ):
        counted = expected.group_by(NIGHT_KEYS).agg(pl.len().alias("images"), pl.col("confidence").mean())
        both = found.join(counted, on=NIGHT_KEYS, nulls_equal=True, how="full", suffix="_other")
        assert both["images"].to_list() == both["images_other"].to_list()
        assert both["confidence"].to_list() == pytest.approx(both["confidence_other"].to_list())
        for line, coils in expected.group_by("line").agg(pl.col("coil").n_unique()).iter_rows():
            assert found.filter(line=line)["night_coils"].unique().to_list() == [coils]


@pytest.mark.parametrize("shortcut", [True, False])
def test_coils_of_some_nights(store: Store, shortcut: bool) -> None:
    fill(store)
    if shortcut:
        write_daily(store)
    for first, last in ((1, 1), (1, 2), (2, 3), (None, 1), (3, None)):  # the months change between 1 and 2
        dates = [None if day is None else DAY + dt.timedelta(days=day) for day in (first, last)]
        found = daily_of_coils(store, "C1", *dates)
        nights = [day for day in range(4) if (first or 0) <= day <= (3 if last is None else last)]
        assert found.select("date", "line", "images", "night_coils").rows() == [
            (DAY + dt.timedelta(days=day), line, 5 + day, 1) for day in nights for line in ("L1", "L2")
        ]


def test_summaries_and_months_of_an_older_version(store: Store) -> None:
    other = DAY + dt.timedelta(days=40)
    images = [("C1", "patches", 0.6, "1"), ("C2", "patches", 0.95, "v2"), ("C2", None, None, "v2")]
    for date in (DAY, other):
        put_images(store, "L1", date, images)
    expected = daily(store)
    assert write_daily(store) == 2
    partition = Partition("L1", DAY)
    buffer = io.BytesIO()
    read_summary(store.get(summary_key(partition))).drop("band", "model").write_parquet(buffer)
    store.put(summary_key(partition), buffer.getvalue())
    assert not is_current(store, partition)
    assert daily(store, DAY, DAY)["band"].null_count() == daily(store, DAY, DAY).height, "nothing is guessed"
    assert agrees(store)
    for info in list(store.list(DAILY)):
        month = pl.read_parquet(io.BytesIO(store.get(info.key))).drop("band", "model")
        buffer = io.BytesIO()
        month.write_parquet(buffer, metadata={"steelflow.parts": "{}"})
        store.put(info.key, buffer.getvalue())
    write_summary(store, partition)
    assert is_current(store, partition)
    assert write_daily(store, [other]) == 2, "an older format is made again whichever night is asked for"
    assert daily(store).equals(expected)
    assert write_daily(store) == 0


def test_a_damaged_summary_of_another_night_stops_nothing_and_says_what_to_do(store: Store) -> None:
    put_images(store, "L1", DAY, [("C1", "patches", 0.6, "1")])
    put_images(store, "L2", DAY, [("C1", "patches", 0.6, "1")])
    expected = daily(store)
    store.put(summary_key(Partition("L1", DAY)), b"PAR1 and then nothing")
    assert not is_current(store, Partition("L1", DAY))
    assert write_daily(store) == 1
    for ask in (lambda: daily(store), lambda: daily_of_coils(store, "C"), lambda: ReportReader(store).summary([DAY])):
        with pytest.raises(ReportError, match=f"is damaged; run `steelflow nightly --date {DAY}` to write it again"):
            ask()
    write_summary(store, Partition("L1", DAY))
    assert write_daily(store) == 1
    assert daily(store).equals(expected)


def test_images_without_a_coil_do_not_count_as_a_coil(store: Store) -> None:
    put_images(store, "L1", DAY, [("C1", "patches", 0.6, "1"), (None, "patches", 0.6, "1")])
    put_images(store, "L2", DAY, [(None, "patches", 0.6, "1")])
    found = dict(daily(store).select("line", "night_coils").iter_rows())
    assert found == {"L1": 1, "L2": 1}, "where no key tells coils, the images of a line's night count as one"


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
