"""Marks that repeat along a coil: found with their period and roll, and not found where there are none."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from marks import noise, regions, roll
from polars.testing import assert_frame_equal

from steelflow.config import RollMarkSettings, RollSettings
from steelflow.strip.rolls import MARKS, roll_marks, roll_of

ROLLS = (
    RollSettings(name="work roll", circumference_mm=1885.0),
    RollSettings(name="bridle", diameter_mm=800.0, lines=("L2",)),
    RollSettings(name="deflector", circumference_mm=1900.0),
)


@pytest.mark.parametrize("metres", [20.0, 200.0, 2000.0])
@pytest.mark.parametrize("many", [30, 300])
def test_random_regions_are_no_marks_of_a_roll(many: int, metres: float) -> None:
    rng = np.random.default_rng(1)
    coils = [noise(rng, many, metres, coil=f"C{number}", side=side) for number in range(25) for side in ("top", None)]
    assert roll_marks(pl.concat(coils))["coil"].n_unique() <= 1


def test_few_coils_of_random_regions_have_a_mark_even_in_one_lane() -> None:
    """At most 1 % at a confidence of 0.95; of 100 coils, so two are within chance."""
    rng = np.random.default_rng(2)
    coils = [noise(rng, 40, 60, width_mm=30, coil=f"C{number}") for number in range(100)]
    assert roll_marks(pl.concat(coils))["coil"].n_unique() <= 2


@pytest.mark.parametrize("beside", [False, True], ids=["anywhere", "in the lane"])
@pytest.mark.parametrize("marks", [8, 15, 40])
def test_marks_are_found_among_as_many_false_alarms(marks: int, beside: bool) -> None:
    rng = np.random.default_rng(marks)
    coils, truth = [], {}
    for number in range(20):
        period, name = rng.uniform(600, 3000), f"C{number}"
        printed = roll(rng, period, marks, coil=name)
        alarms = noise(rng, marks, marks / 0.7 * period / 1000, width_mm=40 if beside else 1500, coil=name)
        coils += [printed, alarms.with_columns(pl.col("across_mm") + (580 if beside else 0))]
        truth[name] = period
    found = roll_marks(pl.concat(coils))
    off = {row["coil"]: row["period_mm"] / truth[row["coil"]] - 1 for row in found.iter_rows(named=True)}
    assert sum(abs(one) < 0.01 for one in off.values()) >= 19
    assert found.height <= 21


def test_a_mark_is_told_with_its_figures() -> None:
    rng = np.random.default_rng(3)
    rows = pl.concat([roll(rng, 1880, 100, start=50, line="L1"), noise(rng, 100, 400)])
    (mark,) = roll_marks(rows, ROLLS).to_dicts()
    assert abs(mark["period_mm"] - 1880) < 4 * mark["period_error_mm"] < 1
    assert mark["confidence"] > 0.999
    assert (mark["label"], mark["side"], mark["coil"], mark["roll"]) == ("roll_mark", "top", "C1", "work roll")
    assert abs(mark["across_mm"] - 600) < 8
    assert 95 <= mark["count"] <= 103
    assert mark["count"] < mark["expected"] <= 144
    assert (mark["first"], mark["last"]) == pytest.approx((50 + 1, 50 + 143 * 1.88), abs=8)
    assert mark["fits_mm"] == pytest.approx(mark["period_mm"] - 1885)
    assert mark["object_keys"][0] in rows["object_key"]


def test_the_period_of_a_strip_that_grows_longer_is_followed() -> None:
    rng = np.random.default_rng(4)
    (mark,) = roll_marks(pl.concat([roll(rng, 2000, 400, stretch=0.01), noise(rng, 400, 1150)])).to_dicts()
    assert mark["count"] >= 360
    assert 2000 < mark["period_mm"] < 2025


def test_several_rolls_mark_one_coil() -> None:
    rng = np.random.default_rng(5)
    printed = [
        roll(rng, 1885, 60, across_mm=300),
        roll(rng, 1885, 60, across_mm=310),
        roll(rng, 2513, 40, across_mm=900),
        roll(rng, 1256, 80, across_mm=900, side="bottom"),
    ]
    found = roll_marks(pl.concat([*printed, noise(rng, 250, 160)]))
    assert found.sort("side", "across_mm")["period_mm"].to_list() == pytest.approx([1256, 1885, 1885, 2513], rel=0.002)


@pytest.mark.parametrize("missing", [0.0, 0.3, 0.5])
@pytest.mark.parametrize("period", [600.0, 1500.0, 3000.0])
def test_neither_half_nor_twice_the_period_is_reported(period: float, missing: float) -> None:
    rng = np.random.default_rng(6)
    found = roll_marks(roll(rng, period, 30, missing=missing))
    assert found["period_mm"].to_list() == pytest.approx([period], rel=0.005)


def test_a_scratch_over_many_frames_does_not_repeat_with_the_frames() -> None:
    frames = np.arange(60) * 0.5
    assert roll_marks(regions(frames, 700.0, length=500.0)).is_empty()
    assert roll_marks(regions(frames, 700.0, length=20.0)).height == 1


def test_a_burst_of_defects_is_no_mark_of_a_roll() -> None:
    rng = np.random.default_rng(7)
    places = np.concatenate([rng.uniform(at, at + 0.1, 12) for at in rng.uniform(0, 100, 12)])
    assert roll_marks(regions(np.sort(places), 500.0 + rng.uniform(-5, 5, 144))).is_empty()


def test_the_order_of_the_rows_does_not_matter() -> None:
    rng = np.random.default_rng(8)
    rows = pl.concat([roll(rng, 1500, 30), noise(rng, 60, 64), roll(rng, 1500, 30, coil="C2")])
    found = roll_marks(rows)
    assert found["coil"].to_list() == ["C1", "C2"]
    assert_frame_equal(found, roll_marks(rows.sample(fraction=1.0, shuffle=True, seed=1)))


def test_regions_without_a_place_are_left_out() -> None:
    rng = np.random.default_rng(9)
    rows = roll(rng, 1500, 30)
    lost = [pl.lit(None, rows.schema[name]).alias(name) for name in ("along", "across_mm", "coil")]
    for column in lost:
        assert roll_marks(rows.with_columns(column)).is_empty()
    assert roll_marks(pl.concat([rows, *(rows.with_columns(column) for column in lost)])).height == 1
    assert roll_marks(rows.with_columns(length_mm=None, side=None)).height == 1


def test_no_regions_give_no_marks() -> None:
    assert roll_marks(regions([], [])).schema == MARKS


def test_limits_of_the_settings_hold() -> None:
    rows = roll(np.random.default_rng(10), 1500, 30)
    assert (roll_marks(rows, settings=RollMarkSettings(longest_mm=1400))["period_mm"] < 1400).all()
    assert roll_marks(rows, settings=RollMarkSettings(count=40)).is_empty()


@pytest.mark.parametrize(
    ("period", "line", "name"),
    [
        (1885.0, "L1", "work roll"),
        (1893.0, "L1", "deflector"),  # nearer
        (1850.0, "L1", "work roll"),
        (1800.0, "L1", None),
        (2513.0, "L1", None),  # another line has this roll
        (2513.0, "L2", "bridle"),
    ],
)
def test_a_period_fits_the_nearest_roll_of_the_line(period: float, line: str, name: str | None) -> None:
    found, off = roll_of(period, 0.0, line, ROLLS)
    assert found == name
    assert (off is None) == (name is None)


def test_ten_thousand_regions_of_a_coil_have_one_mark() -> None:
    rng = np.random.default_rng(11)
    rows = pl.concat([roll(rng, 1600, 500), noise(rng, 9500, 1100)])
    assert roll_marks(rows)["period_mm"].to_list() == pytest.approx([1600], rel=0.001)
