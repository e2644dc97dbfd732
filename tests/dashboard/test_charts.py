"""Charts and figures, without Streamlit."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard import formats
from dashboard.charts import drift as charts_drift
from dashboard.charts import figures as charts
from dashboard.charts import palette
from dashboard.data import figures
from steelflow.report.daily import SCHEMA
from steelflow.report.rates import RateUnit

DAY = dt.date(2026, 11, 1)
CLASSES = ("crazing", "patches", "scratches", "none")
PER_METRE, PER_IMAGE = RateUnit(metres=True, whole=True), RateUnit(metres=False, whole=True)
BY_CLASS = RateUnit(metres=False, whole=False)
EVIL = "<b>x</b>[](javascript:1) datum.constructor"


def daily(
    counts: dict[tuple[int, str, str | None], int], coils: int = 4, good: str | None = "none", strip: float | None = 200
) -> pl.DataFrame:
    """``counts``: images by day, line and label; without a label, images that could not be read. ``good`` is the good
    class of the model, and ``strip`` the metres of a line's night."""
    rows = [
        {
            "date": DAY + dt.timedelta(days=day),
            "line": line,
            "status": "failed" if label is None else "ok",
            "label": label,
            "images": images,
            "coils": min(images, coils),
            "night_coils": coils,
            "night_strip": strip,
            "good": None if good is None or label is None else label == good,
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
@given(counts=Counts, unit=st.sampled_from([PER_METRE, PER_IMAGE]))
def test_rates_add_up(counts: dict[tuple[int, str, str | None], int], unit: RateUnit) -> None:
    frame = daily(counts)
    nightly = figures.nightly(frame, unit)
    assert nightly["found"].sum() == sum(counts.values())
    assert nightly["found"].to_list() == (nightly["ok"] + nightly["failed"]).to_list()
    classes = figures.by_class(frame, unit).filter("defect")
    summed = {row["date"]: row["rate"] for row in classes.group_by("date").agg(pl.col("rate").sum()).to_dicts()}
    for row in nightly.to_dicts():
        if row["rate"] is not None and row["date"] in summed:
            assert summed[row["date"]] == pytest.approx(row["rate"])
    lines = figures.nightly(frame, unit, ("line",))
    assert lines["defects"].sum() == nightly["defects"].sum()


def test_a_class_that_was_not_seen_has_zero_and_not_nothing() -> None:
    frame = daily({(0, "L1", "patches"): 4, (1, "L1", "scratches"): 8})
    rates = figures.by_class(frame, PER_METRE)
    assert rates.select("label", "images", "rate").rows() == [
        ("patches", 4, 2.0),
        ("scratches", 0, 0.0),
        ("patches", 0, 0.0),
        ("scratches", 8, 4.0),
    ]


def test_a_coil_of_several_bands_and_models_is_counted_once() -> None:
    """Four coils with patches: their images are in three rows, and none of these has a coil of its own."""
    whole = daily({(0, "L1", "patches"): 9, (0, "L1", "none"): 6, (1, "L1", "patches"): 3})
    kinds = pl.DataFrame({"band": [0, 3, 4], "model": ["a 1", "a 1", "a 2"]}, schema_overrides={"band": pl.UInt8})
    split = whole.drop("band", "model").join(kinds, how="cross").with_columns(pl.col("images") // 3)
    for unit in (PER_METRE, PER_IMAGE):
        for by in ((), ("date",), ("line",), ("date", "line")):
            expected = figures.by_class(whole, unit, by)
            assert figures.by_class(split, unit, by).equals(expected)
        assert figures.nightly(split, unit).equals(figures.nightly(whole, unit))


def test_chosen_images_are_compared_with_all_images() -> None:
    frame = daily({(0, "L1", "patches"): 30, (0, "L1", "none"): 60, (0, "L1", None): 5, (0, "L2", "scratches"): 10})
    frame = frame.with_columns(
        band=pl.when(pl.col("label") == "patches").then(1).otherwise(4).cast(pl.UInt8),
        model=pl.when(pl.col("line") == "L1").then(pl.lit("a 1")).otherwise(pl.lit("a 2")),
    )
    classes = figures.picked(frame, ["patches", "none"])
    (night,) = figures.nightly(classes, PER_IMAGE).to_dicts()
    assert (night["found"], night["ok"], night["failed"], night["coils"]) == (105, 100, 5, 8)
    assert (night["defects"], night["rate"]) == (30, 300)
    assert figures.by_class(classes, PER_IMAGE, ())["rate"].to_list() == pytest.approx([600, 300])
    sure = figures.picked(frame, bands=[4])
    assert dict(figures.by_class(sure, PER_METRE, ()).select("label", "images").iter_rows()) == {
        "none": 60,
        "scratches": 10,
    }
    (model,) = figures.nightly(figures.picked(frame, models=["a 2"]), PER_METRE).to_dicts()
    assert (model["found"], model["coils"], model["rate"]) == (10, 4, 5.0), "the nights and lines that it judged"
    assert figures.by_class(figures.picked(frame, ["crazing"]), PER_METRE).is_empty()
    assert figures.nightly(figures.picked(frame), PER_IMAGE).equals(figures.nightly(frame, PER_IMAGE))


def test_what_changed_most_comes_first() -> None:
    steady = {(day, line, label): 100 for day in range(10) for line in ("L1", "L2") for label in CLASSES[:3]}
    found = figures.changes(daily({**steady, (9, "L2", "scratches"): 190}), DAY + dt.timedelta(days=9), PER_METRE)
    first = found.row(0, named=True)
    assert (first["line"], first["label"]) == ("L2", "scratches")
    assert first["change"] == pytest.approx(0.9)
    assert first["surprise"] > 3
    assert len(first["history"]) == 10
    assert found["surprise"][1:].abs().max() == 0


def test_good_classes_are_no_change_and_no_defect() -> None:
    found = figures.changes(SOME, DAY + dt.timedelta(days=4), PER_IMAGE, most=99)
    assert "none" not in found["label"].to_list()
    assert figures.nightly(SOME, PER_IMAGE)["rate"].to_list() == pytest.approx([750] * 5)


def test_worst_coils_by_their_worst_class() -> None:
    summary = pl.DataFrame(
        [
            ("L1", "A", "ok", "patches", False, 5, None, 50.0),
            ("L1", "A", "ok", "none", True, 50, None, 50.0),
            ("L1", "B", "ok", "patches", False, 3, 3, 350.0),
            ("L1", "B", "ok", "scratches", False, 2, 4, 350.0),
            ("L1", "C", "failed", None, None, 2, None, None),
        ],
        schema=["line", "coil", "status", "label", "good", "images", "regions", "strip"],
        schema_overrides={"regions": pl.UInt32},
        orient="row",
    )
    assert figures.unit_of_coils(summary) == PER_METRE
    ranked = figures.coils(summary, PER_METRE)
    assert ranked["coil"].to_list() == ["B", "A", "C"]  # by defects: regions where they are known, else images
    assert ranked.select("defects", "rate").rows() == [(7, 2.0), (5, 10.0), (0, None)]
    unknown = summary.with_columns(good=pl.lit(None, pl.Boolean))
    assert figures.unit_of_coils(unknown) == RateUnit(metres=True, whole=False)
    assert figures.coils(unknown, BY_CLASS)["worst"].to_list() == ["none", "patches", None]
    assert figures.coils(unknown, BY_CLASS).select("defects", "rate").rows() == [(None, None)] * 3
    assert ranked.row(2, named=True) | {"line": "L1"} == {
        "line": "L1",
        "coil": "C",
        "found": 2,
        "failed": 2,
        "defects": 0,
        "worst": None,
        "of_it": 0,
        "rate": None,
        "strip": None,
    }


def test_a_rate_of_all_defects_needs_good_classes_and_metres_need_every_length() -> None:
    known, unknown = (
        daily({(0, "L1", "patches"): 9, (0, "L1", "none"): 91}),
        daily({(1, "L1", "patches"): 9}, good=None),
    )
    both = pl.concat([known, unknown])
    assert figures.unit(known) == PER_METRE
    assert figures.unit(both) == RateUnit(metres=True, whole=False), "the latest night counts"
    assert figures.nightly(both, PER_METRE).select("defects", "rate").rows() == [(9, 4.5), (None, None)]
    assert figures.nightly(both, BY_CLASS)["rate"].to_list() == [None, None]
    assert figures.by_class(unknown, BY_CLASS).select("label", "defect", "rate").rows() == [("patches", True, 1000)]
    short = pl.concat([known, daily({(0, "L2", "none"): 5}, strip=None)])
    assert figures.unit(short) == PER_IMAGE
    assert figures.nightly(short, PER_METRE)["rate"].to_list() == [None]
    (rate,) = figures.nightly(short, PER_IMAGE)["rate"]
    assert rate == pytest.approx(1000 * 9 / 105)


@pytest.mark.parametrize("unit", [PER_METRE, PER_IMAGE, BY_CLASS], ids=["metres", "images", "by class"])
@pytest.mark.parametrize("evil", [False, True], ids=["usual", "evil"])
def test_every_chart_is_made(unit: RateUnit, evil: bool) -> None:
    frame = SOME.with_columns(pl.col("label").replace("crazing", EVIL if evil else "crazing"))
    coils = pl.DataFrame({"coil": ["A", "A", EVIL], "label": ["patches", None, "crazing"], "images": [1, 2, 3]})
    spent = pl.DataFrame({"night": ["2026-11-01"], "stage": ["fetch"], "seconds": [2.0], "order": [0]})
    made = [
        charts.trend(figures.by_class(frame, unit), unit, mark=DAY),
        charts.lines(figures.nightly(frame, unit, ("line",)), unit),
        charts.pareto(figures.by_class(frame, unit, ())),
        charts.heat_map(figures.by_class(frame, unit, ("line",)), unit),
        charts.confidence(figures.by_class(frame, unit)),
        charts.neighbours(coils, "A", ["A", EVIL]),
        charts.stages(spent),
    ]
    for chart in made:
        assert chart.to_dict()  # altair checks it against the schema of Vega-Lite


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_figures_over_the_threshold_are_dark_and_those_below_are_as_the_page(dark: bool) -> None:
    table = pl.DataFrame(
        {
            "date": [DAY, DAY],
            "signal": ["brightness", "class_mix"],
            "share": [3.0, -0.2],
            "value": [1.0, 0.1],
            "threshold": [0.3, 0.5],
            "text": [EVIL, "less"],
        }
    )
    made = charts_drift.moved(table, ["class_mix", "brightness"], dark)
    assert [row["share"] for row in values(made)] == [3.0, 0.0]
    _, texts = made.to_dict()["layer"]
    shade = texts["encoding"]["color"]
    assert shade["condition"]["value"] == "#10141a"
    assert (shade["value"] == "#10141a") != dark


@pytest.mark.parametrize("shade", palette.SHARE[2:])
def test_a_dark_figure_can_be_read_on_the_colours_over_the_threshold(shade: str) -> None:
    """The contrast of WCAG 2.2, which asks for 4.5."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    assert (luminance(shade) + 0.05) / (luminance("#10141a") + 0.05) >= 4.5


@pytest.mark.parametrize("nights", [3, 200])
def test_a_few_nights_have_a_tick_each(nights: int) -> None:
    dates = [DAY + dt.timedelta(days=day) for day in range(nights)]
    rates = pl.DataFrame({"date": dates, "label": "patches", "confidence": 0.9})
    axis = charts.confidence(rates).to_dict()["encoding"]["x"]["axis"]
    assert (axis.get("tickCount") == "day") == (nights == 3)


def values(chart: charts.Chart) -> list[dict[str, Any]]:
    (rows,) = chart.to_dict()["datasets"].values()
    return list(rows)


def test_pareto_is_in_order_and_ends_at_one() -> None:
    counts = pl.DataFrame({"label": ["a", "b", "c"], "images": [1, 6, 3]})
    rows = values(charts.pareto(counts))
    assert [(row["class"], row["images"]) for row in rows] == [("b", 6), ("c", 3), ("a", 1)]
    assert [row["together"] for row in rows] == pytest.approx([0.6, 0.9, 1.0])


def test_a_class_keeps_its_colour() -> None:
    assert len({palette.colour(name) for name in palette.USUAL}) == len(palette.USUAL)
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


@pytest.mark.parametrize("text", ["C1 -> C2", "<- back", "a--b", ">= 5", "<= 5", "~= 5"])
def test_no_signs_become_one(text: str) -> None:
    shown = formats.plain(text)
    assert shown.replace("\\", "").replace("\u2060", "") == text
    assert not re.search(r"->|<-|--|>=|<=|~=", shown.replace("\\", ""))


def test_a_badge_escapes_brackets_itself() -> None:
    assert formats.in_badge("L1 [a] *b*") == "L1 [a] \\*b\\*"


@pytest.mark.parametrize("address", ["otto@plant.example", "https://plant.example/x", "WWW.plant.example", ":smile:"])
def test_plain_text_links_nowhere(address: str) -> None:
    shown = formats.plain(address).replace("\\", "")
    assert shown != address
    assert shown.replace("\u2060", "") == address
    assert not re.search(r"\w@\w|://|www\.|:\w", shown, re.IGNORECASE)


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


@pytest.mark.parametrize(("nights", "mark"), [(1, "tick"), (2, "line")])
def test_a_threshold_is_visible_also_on_the_first_night(nights: int, mark: str) -> None:
    dates = [DAY + dt.timedelta(days=day) for day in range(nights)]
    table = pl.DataFrame(
        {"date": dates, "line": "L1", "value": -0.001, "threshold": 0.035, "breach": False, "text": "less"}
    )
    drawn, limits, _ = charts_drift.signal(table, "share of images").to_dict()["layer"]
    assert limits["mark"]["type"] == mark
    assert limits["encoding"]["y"]["field"] == "threshold"
    assert drawn["encoding"]["y"]["title"] == "share of images, above the reference"
    assert [row["value"] for row in values(charts_drift.signal(table, "share of images"))] == [0.0] * nights
