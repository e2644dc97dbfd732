"""Coils along their length: what is drawn where, without Streamlit."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.charts import coil as charts_coil
from dashboard.data import strips

EVIL = "<b>x</b>[](javascript:1) datum.constructor"
COIL = {"coil": pl.String, "position": pl.Float64, "label": pl.String}
Rows = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", EVIL]),
        st.none() | st.integers(-5_000, 500_000).map(lambda cm: cm / 100) | st.just(float("nan")),
        st.sampled_from(["patches", "scratches", None]),
    )
)


def images(*rows: tuple[str, float | None, str | None]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=COIL, orient="row")


def test_images_lie_at_their_positions_in_order() -> None:
    shown, by_position = strips.placed(images(("A", 30.0, "patches"), ("A", -1.5, None), ("A", 7.25, "patches")))
    assert by_position
    assert shown["place"].to_list() == [-1.5, 7.25, 30.0]


def test_without_positions_images_are_numbered() -> None:
    shown, by_position = strips.placed(images(("A", None, "patches"), ("A", None, None)))
    assert not by_position
    assert shown["place"].to_list() == [1, 2]


def test_images_without_a_position_are_left_out_of_a_mixed_coil() -> None:
    shown, by_position = strips.placed(images(("A", 3.0, "patches"), ("A", None, "scratches"), ("A", 2.0, None)))
    assert by_position
    assert shown.select("place", "label").rows() == [(2.0, None), (3.0, "patches")]


def test_stretches_are_the_same_for_all_coils() -> None:
    found = strips.segments(
        images(
            ("A", 0.0, "patches"),
            ("A", 19.99, "patches"),
            ("A", 20.0, "patches"),
            ("B", 12.0, "scratches"),
            ("B", 1000.0, None),
            ("B", None, "patches"),
        )
    )
    assert found.rows() == [
        ("A", 0.0, 20.0, "patches", 2),
        ("A", 20.0, 40.0, "patches", 1),
        ("B", 0.0, 20.0, "scratches", 1),
        ("B", 1000.0, 1020.0, None, 1),
    ]
    assert strips.scale(found) == (0.0, 1020.0)


def test_the_scale_holds_the_head_and_what_lies_before_it() -> None:
    assert strips.scale(strips.segments(images(("A", 500.0, "patches"), ("A", 510.0, "patches")))) == (0.0, 511.0)
    assert strips.scale(strips.segments(images(("A", -3.5, "patches")))) == (-4.0, 1.0 - 4.0)
    assert strips.scale(strips.segments(images(("A", 1_250_000.0, "patches"), ("A", 1_250_400.0, "patches")))) == (
        1_250_000.0,
        1_250_405.0,
    ), "metres of the line since somebody set them to zero"
    assert strips.scale(strips.segments(images(("A", None, "patches")))) is None


@pytest.mark.parametrize(("least", "length"), [(0, 1), (1, 1), (1.1, 2), (4, 5), (5.5, 10), (12, 20), (73, 100)])
def test_stretches_have_round_lengths(least: float, length: float) -> None:
    assert strips.round_length(least) == length


@settings(max_examples=80, deadline=None)
@given(rows=Rows)
def test_every_image_with_a_position_is_in_one_stretch(rows: list[tuple[str, float | None, str | None]]) -> None:
    frame = images(*rows)
    found, known = strips.segments(frame), frame.filter(pl.col("position").is_finite())
    assert found["images"].sum() == known.height
    assert found.select("start").n_unique() <= strips.SEGMENTS + 1
    assert found.select("coil", "start", "label").is_duplicated().sum() == 0
    for coil, position, label in known.rows():
        there = found.filter((pl.col("coil") == coil) & pl.col("label").eq_missing(pl.lit(label)))
        assert there.filter((pl.col("start") <= position) & (position < pl.col("end"))).height == 1
    shown, by_position = strips.placed(frame)
    assert by_position == (known.height > 0)
    assert shown.height == (known.height or frame.height)


def drawn(chart: Any) -> list[dict[str, Any]]:
    """The rows of all layers; altair checks the chart against the schema of Vega-Lite."""
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows]


def test_a_strip_draws_each_image_where_it_lies() -> None:
    frame = pl.DataFrame(
        {"place": [3.25, 3.3, 90.0], "label": ["patches", "patches", None], "confidence": [0.9, 0.8, None]}
    ).with_columns(file=pl.lit(EVIL))
    rows = drawn(charts_coil.strip(frame, (0.0, 100.0)))
    assert [(row["place"], row["class"]) for row in rows] == [(3.25, "patches"), (3.3, "patches"), (90.0, "unreadable")]
    chart = charts_coil.strip(frame, (0.0, 100.0)).to_dict()
    for layer in chart["layer"]:
        assert layer["encoding"]["x"]["scale"]["domain"] == [0.0, 100.0]
        assert [tip["field"] for tip in layer["encoding"]["tooltip"]] == ["place", "class", "confidence", "file"]
    assert drawn(charts_coil.strip(frame.with_columns(place=pl.int_range(1, 4)), None))[2]["place"] == 3


def test_neighbours_are_drawn_on_one_scale_below_each_other() -> None:
    found = strips.segments(images(("A", 5.0, "patches"), (EVIL, 400.0, "scratches"), (EVIL, 401.0, None)))
    chart = charts_coil.side_by_side(found, EVIL, ["A", EVIL, "C"], (0.0, 500.0))
    assert {"coil": EVIL} in drawn(chart)
    assert sum(row.get("images", 0) for row in drawn(chart)) == 3
    lanes = chart.to_dict()["layer"][1]["encoding"]
    assert lanes["y"]["scale"]["domain"] == ["A", EVIL, "C"]
    assert lanes["x"]["scale"]["domain"] == [0.0, 500.0]


def test_marks_are_named_by_their_roll_and_by_the_side_where_there_are_two() -> None:
    marks = pl.DataFrame({"roll": ["S3", None], "period_mm": [1885.2, 902.6], "side": ["top", "top"]})
    assert strips.named_marks(marks)["name"].to_list() == ["S3", "903 mm"]
    both = marks.with_columns(side=pl.Series(["top", "bottom"]))
    assert strips.named_marks(both)["name"].to_list() == ["S3 top", "903 mm bottom"]
