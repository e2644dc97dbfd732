"""Which labels are defects, metres of strip, and rates; from the rows of reports to one line for people."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelflow.config import StoreSettings
from steelflow.models.shipped import SHIPPED
from steelflow.models.spec import ModelSpec
from steelflow.records import Partition
from steelflow.report.daily import daily, write_daily
from steelflow.report.layout import REPORTS, folder, summary_key
from steelflow.report.notes import notes, novel_share
from steelflow.report.rates import RateUnit, rates
from steelflow.report.reader import ReportReader
from steelflow.report.summary import SUMMARY, is_current, load_summary, read_summary, write_summary
from steelflow.store import Store, open_store

DAY = dt.date(2026, 11, 29)
HERE = Partition("L1", DAY)
FRAME = {"camera": pl.String, "side": pl.String, "length": pl.Float32, "regions": pl.Int32, "defect_area": pl.Int64}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "report"), StoreSettings(), create=True)


def put(
    store: Store, unit: str, images: list[dict[str, Any]], good: tuple[str, ...] = (), frames: bool = False
) -> None:
    """A report file. ``images``: label (None: unreadable), and coil, novel, camera, side, length, regions if known."""
    frame = pl.DataFrame(
        [{"coil": "C1", "novel": False, **image} for image in images],
        schema={"label": pl.String, "coil": pl.String, "novel": pl.Boolean, **(FRAME if frames else {})},
    ).with_columns(
        status=pl.when(pl.col("label").is_null()).then(pl.lit("failed")).otherwise(pl.lit("ok")),
        confidence=pl.lit(0.9, pl.Float32),
        model_name=pl.lit("net"),
        model_version=pl.lit("1"),
    )
    told = {"steelflow.fingerprint": "f", "steelflow.counts": "[0, 0, 0, 0]"}
    told["steelflow.spec"] = json.dumps({"name": "net", "good": list(good)} if good else {"name": "net"})
    buffer = io.BytesIO()
    frame.write_parquet(buffer, metadata=told)
    store.put(f"{REPORTS}{folder(HERE)}{unit}.parquet", buffer.getvalue())
    write_summary(store, HERE)


def images(label: str | None, count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"label": label, **more}] * count


def test_the_model_that_judged_says_which_labels_are_defects(store: Store) -> None:
    """Two models of one name and version in one night: each file knows the good classes of its own model."""
    put(store, "a", [*images("fine", 6), *images("patches", 2), *images(None, 1)], good=("fine",))
    put(store, "b", images("fine", 3))
    counted = {tuple(row[:2]): row[2] for row in load_summary(store, HERE).select("label", "good", "images").rows()}
    assert counted == {("fine", True): 6, ("patches", False): 2, (None, None): 1, ("fine", None): 3}
    shares = ReportReader(store).defect_counts().select("label", "good", "images").rows()
    assert sorted(shares, key=str) == [("fine", None, 3), ("fine", True, 6), ("patches", False, 2)]
    found = rates(ReportReader(store).summary())
    assert (found.defects, found.rate) == (None, None), "one of the models has no good classes"


def test_rates_of_images_without_positions(store: Store) -> None:
    put(store, "a", [*images("fine", 1960), *images("patches", 30), *images("scratches", 10)], good=("fine",))
    found = rates(ReportReader(store).summary())
    assert (found.unit, found.metres) == (RateUnit(metres=False, whole=True), None)
    assert found.classes == (("patches", 30, 15.0), ("scratches", 10, 5.0))
    assert found.text == "defects: 20.0 per 1,000 images (40 on 2,000 images): patches 15.0, scratches 5.00"
    assert json.loads(json.dumps(found.to_dict())) == {
        "per": "1000 images",
        "rate": 20.0,
        "defects": 40,
        "images": 2000,
        "metres": None,
        "classes": {"patches": {"defects": 30, "rate": 15.0}, "scratches": {"defects": 10, "rate": 5.0}},
    }


def test_a_model_without_good_classes_has_no_rate_of_all_defects(store: Store) -> None:
    put(store, "a", [*images("patches", 3), *images("scratches", 1)])
    found = rates(ReportReader(store).summary())
    assert found.text == (
        "defects by class per 1,000 images: patches 750, scratches 250 (the model has no good classes: no rate of all)"
    )
    assert (found.to_dict()["rate"], found.to_dict()["defects"]) == (None, None)


def test_metres_are_those_of_the_longest_camera_of_each_coil(store: Store) -> None:
    here = {"length": 2.0, "regions": 0, "defect_area": 0}
    put(
        store,
        "a",
        [
            *images("fine", 40, camera="1", side="top", **here),
            *images("fine", 30, camera="2", side="top", **here),
            *images("patches", 5, camera="2", side="top", length=2.0, regions=3, defect_area=50),
            *images("fine", 20, camera="1", side="bottom", **here),
            *images("fine", 10, coil="C2", camera="1", side="top", **here),
            *images(None, 4, coil="C3"),
        ],
        good=("fine",),
        frames=True,
    )
    summary = ReportReader(store).summary()
    strips = summary.drop_nulls("strip").unique(["coil", "strip"]).select("coil", "strip").sort("coil").rows()
    assert strips == [("C1", 80.0), ("C2", 20.0)]
    (row,) = summary.filter(label="patches").select("images", "regions", "defect_area", "length").rows()
    assert row == (5, 15, 250, 10.0)
    found = rates(summary)
    assert (found.metres, found.defects, found.rate) == (100.0, 15, 15.0)
    assert found.text == "defects: 15.0 per 100 m (15 on 100 m of strip): patches 15.0"
    for _ in range(2):  # without the month's file, and with it
        months = daily(store)
        assert months["night_strip"].unique().to_list() == [100.0]
        assert months.filter(label="patches").select("regions", "defect_area", "length").rows() == [(15, 250, 10.0)]
        write_daily(store)


def test_a_coil_of_unknown_length_makes_the_night_of_unknown_length(store: Store) -> None:
    known = images("fine", 10, camera="1", length=1.0, regions=0)
    put(store, "a", [*known, *images("patches", 10, coil="C2", camera="1", regions=2)], good=("fine",), frames=True)
    found = rates(ReportReader(store).summary())
    assert (found.unit.metres, found.metres, found.rate) == (False, None, 1000.0)
    assert daily(store)["night_strip"].to_list() == [None, None]


def test_a_summary_of_an_older_version_reads_and_is_written_again(store: Store) -> None:
    put(store, "a", images("patches", 4))
    key = summary_key(HERE)
    buffer = io.BytesIO()
    new = ["good", "novel", "regions", "defect_area", "length", "strip"]
    read_summary(store.get(key)).drop(new).write_parquet(buffer)
    store.put(key, buffer.getvalue())
    assert read_summary(store.get(key)).schema == SUMMARY
    assert not is_current(store, HERE)
    found = rates(ReportReader(store).summary())
    assert (found.images, found.defects, found.classes) == (4, None, (("patches", 4, 1000.0),))
    assert daily(store).select("images", "regions", "night_strip").rows() == [(4, None, None)]
    write_summary(store, HERE)
    assert is_current(store, HERE)


Counts = st.lists(st.tuples(st.sampled_from(["fine", "patches", "scratches"]), st.integers(0, 50)), max_size=8)


@settings(max_examples=50, deadline=None)
@given(counts=Counts, metres=st.none() | st.floats(1, 1000))
def test_the_rates_of_the_classes_add_up(counts: list[tuple[str, int]], metres: float | None) -> None:
    summary = pl.DataFrame(
        [
            {"coil": "C", "status": "ok", "label": k, "good": k == "fine", "images": n, "strip": metres}
            for k, n in counts
        ],
        schema=SUMMARY,
    )
    found = rates(summary)
    assert found.images == sum(number for _, number in counts)
    if found.rate is None:
        assert not found.images or not counts
    else:
        assert found.rate == pytest.approx(sum(rate or 0 for _, _, rate in found.classes))
        assert found.defects == sum(number for label, number in counts if label != "fine")


SPEC = ModelSpec(name="own", arch="net", classes=("fine", "patches"), input_size=8, embedding_dims=2, good=("fine",))


@pytest.mark.parametrize(
    ("novel", "digest", "says"),
    [
        (50, "d" * 64, None),
        (51, "d" * 64, "the model own knows 2 classes (fine, patches); 51% of these are unlike its training images"),
        (91, SHIPPED["steelnet"], "the shipped model steelnet knows six hot-rolled defects on 200×200 pictures; 91%"),
        (91, SHIPPED["ssdc_mininet"], "the shipped model ssdc_mininet knows"),
    ],
)
def test_a_model_that_does_not_know_what_it_sees_says_what_it_knows(
    store: Store, novel: int, digest: str, says: str | None
) -> None:
    put(store, "a", [*images("patches", novel, novel=True), *images("patches", 100 - novel), *images(None, 9)])
    found = notes(ReportReader(store).summary(), SPEC, digest, "these")
    assert novel_share(ReportReader(store).summary()) == novel / 100
    assert len(found) == (says is not None)
    assert says is None or found[0].startswith(says)


@pytest.mark.parametrize(
    ("whole", "says"),
    [
        (50, None),
        (
            90,
            "knows six hot-rolled defects on 200×200 pictures; 90% of these are much larger and were judged as a",
        ),
    ],
)
def test_a_model_that_ships_says_what_it_is_for_where_frames_are_squeezed(
    store: Store, whole: int, says: str | None
) -> None:
    put(store, "a", images("patches", 100))
    found = notes(ReportReader(store).summary(), SPEC, SHIPPED["steelnet"], "these", whole)
    assert len(found) == (says is not None)
    assert says is None or says in found[0]
    assert notes(ReportReader(store).summary(), SPEC, "d" * 64, "these", whole) == ()


def test_without_limits_of_novelty_nothing_is_said(store: Store) -> None:
    put(store, "a", images("patches", 9, novel=None))
    assert novel_share(ReportReader(store).summary()) is None
    assert notes(ReportReader(store).summary(), SPEC, SHIPPED["steelnet"], "these") == ()
