"""Charts and figures, without Streamlit."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard import charts, figures, formats, palette
from dashboard.figures import Unit
from steelflow.report.daily import SCHEMA

DAY = dt.date(2026, 11, 1)
CLASSES = ("crazing", "patches", "scratches", "none")
PER_COIL, SHARE = Unit(()), Unit(("none",))
EVIL = "<b>x</b>[](javascript:1) datum.constructor"


def daily(counts: dict[tuple[int, str, str | None], int], coils: int = 4) -> pl.DataFrame:
    """``counts``: images by day, line and label; without a label, images that could not be read."""
    rows = [
        {
            "date": DAY + dt.timedelta(days=day),
            "line": line,
            "status": "failed" if label is None else "ok",
            "label": label,
            "images": images,
            "coils": min(images, coils),
            "night_coils": coils,
            "confidence": None if label is None else 0.9,
        }
        for (day, line, label), images in counts.items()
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


SOME = daily({(day, line, label): 10 + day for day in range(5) for line in ("L1", "L2") for label in (*CLASSES, None)})
Counts = st.dictionaries(
    st.tuples(st.integers(0, 9), st.sampled_from(["L1", "L2"]), st.sampled_from([*CLASSES, None])),
    st.integers(0, 1000),
    min_size=1,
)


@settings(max_examples=60, deadline=None)
@given(counts=Counts, unit=st.sampled_from([PER_COIL, SHARE]))
def test_rates_add_up(counts: dict[tuple[int, str, str | None], int], unit: Unit) -> None:
    frame = daily(counts)
    nightly = figures.nightly(frame, unit)
    assert nightly["found"].sum() == sum(counts.values())
    assert nightly["found"].to_list() == (nightly["ok"] + nightly["failed"]).to_list()
    classes = figures.by_class(frame, unit).filter(~pl.col("label").is_in(list(unit.good)))
    summed = {row["date"]: row["rate"] for row in classes.group_by("date").agg(pl.col("rate").sum()).to_dicts()}
    for row in nightly.to_dicts():
        if row["rate"] is not None and row["date"] in summed:
            assert summed[row["date"]] == pytest.approx(row["rate"])
    lines = figures.nightly(frame, unit, ("line",))
    assert lines["defects"].sum() == nightly["defects"].sum()


def test_a_class_that_was_not_seen_has_zero_and_not_nothing() -> None:
    frame = daily({(0, "L1", "patches"): 4, (1, "L1", "scratches"): 8})
    rates = figures.by_class(frame, PER_COIL)
    assert rates.select("label", "images", "rate").rows() == [
        ("patches", 4, 1.0),
        ("scratches", 0, 0.0),
        ("patches", 0, 0.0),
        ("scratches", 8, 2.0),
    ]


def test_what_changed_most_comes_first() -> None:
    steady = {(day, line, label): 100 for day in range(10) for line in ("L1", "L2") for label in CLASSES[:3]}
    found = figures.changes(daily({**steady, (9, "L2", "scratches"): 190}), DAY + dt.timedelta(days=9), PER_COIL)
    first = found.row(0, named=True)
    assert (first["line"], first["label"]) == ("L2", "scratches")
    assert first["change"] == pytest.approx(0.9)
    assert first["surprise"] > 3
    assert len(first["history"]) == 10
    assert found["surprise"][1:].abs().max() == 0


def test_good_classes_are_no_change_and_no_defect() -> None:
    found = figures.changes(SOME, DAY + dt.timedelta(days=4), SHARE, most=99)
    assert "none" not in found["label"].to_list()
    assert figures.nightly(SOME, SHARE)["rate"].to_list() == pytest.approx([0.75] * 5)


def test_worst_coils_by_their_worst_class() -> None:
    summary = pl.DataFrame(
        [
            ("L1", "A", "ok", "patches", 5),
            ("L1", "A", "ok", "none", 50),
            ("L1", "B", "ok", "patches", 3),
            ("L1", "B", "ok", "scratches", 4),
            ("L1", "C", "failed", None, 2),
        ],
        schema=["line", "coil", "status", "label", "images"],
        orient="row",
    )
    ranked = figures.coils(summary, SHARE)
    assert ranked["coil"].to_list() == ["B", "A", "C"]  # by defects
    assert figures.coils(summary, PER_COIL)["worst"].to_list() == ["none", "scratches", None]
    assert ranked.row(2, named=True) | {"line": "L1"} == {
        "line": "L1",
        "coil": "C",
        "found": 2,
        "failed": 2,
        "defects": 0,
        "worst": None,
        "of_it": 0,
        "share": None,
    }


@pytest.mark.parametrize("unit", [PER_COIL, SHARE], ids=["per coil", "share"])
@pytest.mark.parametrize("evil", [False, True], ids=["usual", "evil"])
def test_every_chart_is_made(unit: Unit, evil: bool) -> None:
    frame = SOME.with_columns(pl.col("label").replace("crazing", EVIL if evil else "crazing"))
    strip = pl.DataFrame(
        {"place": [1, 2], "label": ["patches", None], "confidence": [0.9, None], "file": [EVIL, "b.jpg"]}
    )
    coils = pl.DataFrame({"coil": ["A", "A", EVIL], "label": ["patches", None, "crazing"], "images": [1, 2, 3]})
    spent = pl.DataFrame({"night": ["2026-11-01"], "stage": ["fetch"], "seconds": [2.0], "order": [0]})
    made = [
        charts.trend(figures.by_class(frame, unit), unit, mark=DAY),
        charts.lines(figures.nightly(frame, unit, ("line",)), unit),
        charts.pareto(figures.by_class(frame, unit, ())),
        charts.heat_map(figures.by_class(frame, unit, ("line",)), unit),
        charts.confidence(figures.by_class(frame, unit)),
        charts.strip(strip, by_position=False),
        charts.neighbours(coils, "A", ["A", EVIL]),
        charts.stages(spent),
    ]
    for chart in made:
        assert chart.to_dict()  # altair checks it against the schema of Vega-Lite


def values(chart: charts.Chart) -> list[dict[str, Any]]:
    (rows,) = chart.to_dict()["datasets"].values()
    return list(rows)


def test_pareto_is_in_order_and_ends_at_one() -> None:
    counts = pl.DataFrame({"label": ["a", "b", "c"], "images": [1, 6, 3]})
    rows = values(charts.pareto(counts))
    assert [(row["class"], row["images"]) for row in rows] == [("b", 6), ("c", 3), ("a", 1)]
    assert [row["together"] for row in rows] == pytest.approx([0.6, 0.9, 1.0])


def test_a_class_keeps_its_colour() -> None:
    assert len({palette.colour(name) for name in palette.USUAL}) == 6
    alone = dict(zip(*palette.scale(["scratches"]), strict=True))
    together = dict(zip(*palette.scale(["scratches", "new one", None]), strict=True))
    assert alone["scratches"] == together["scratches"] == palette.USUAL["scratches"]
    assert together["unreadable"] == palette.UNREADABLE
    assert palette.colour("new one") in palette.REST


@given(st.text())
def test_plain_text_has_no_markup_left(text: str) -> None:
    shown = formats.plain(text)
    assert "\n" not in shown
    left = shown.replace("\\\\", "")
    for sign in "*_`<>[]$:#!|~":
        assert all(left[place - 1] == "\\" for place, char in enumerate(left) if char == sign)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.44, "0.4 s"), (42, "42 s"), (200, "3 min 20 s"), (3900, "1 h 05 min")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert formats.duration(seconds) == text.replace(" s", "\u2009s").replace(" min", "\u2009min").replace(
        " h", "\u2009h"
    )


def test_moments_are_in_the_time_zone_of_the_plant() -> None:
    assert formats.moment("2026-07-01T22:30:00+00:00", "Europe/Berlin") == "02 Jul 00:30"
    assert formats.moment(None, "UTC") == "–"
