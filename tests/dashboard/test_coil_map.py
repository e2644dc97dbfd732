"""The map of a coil: what is drawn is what the reports say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from map_plants import ACROSS, BROKEN, FRAMES, LENGTH, MISSING, NIGHT, ROLL, STEP, config_of, make
from marks import regions as region_rows
from pages import opened, texts

from dashboard.charts import coil_map as charts
from dashboard.data import coil_map, lanes, sources
from dashboard.data.coil_map import CoilMap
from dashboard.data.regions import COLUMNS
from steelflow.config import LineFrame, Settings, SeverityRule
from steelflow.night.run import inspect_night
from steelflow.report.marks import read_marks
from steelflow.report.regions import RegionReader
from steelflow.store import open_store
from steelflow.strip.rolls import MARKS
from steelflow.strip.severity import ranks

WHOLE = FRAMES * STEP - STEP + LENGTH


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("map")
    settings = make(folder)
    inspect_night(settings, NIGHT)
    (folder / "steelflow.toml").write_text(config_of(settings))
    return settings


@pytest.fixture
def parts(plant: Settings, monkeypatch: pytest.MonkeyPatch) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Images, regions and marks of the coil C7001."""
    monkeypatch.setenv("STEELFLOW_CONFIG", str(plant.home.parent / "steelflow.toml"))
    rows, found, marks = sources.coil(NIGHT, "L1", "C7001"), sources.regions(NIGHT, "L1"), sources.marks(NIGHT, "L1")
    return rows, found.filter(coil="C7001"), marks.filter(coil="C7001")


def drawn(made: CoilMap) -> dict[str, list[dict[str, Any]]]:
    """The rows of the chart by what they have: pick and class, pick and what, …"""
    return {"+".join(sorted(rows[0])): rows for rows in charts.coil_map(made).to_dict()["datasets"].values() if rows}


def boxes(made: CoilMap) -> list[dict[str, Any]]:
    (found,) = [rows for name, rows in drawn(made).items() if "class" in name]
    return found


def test_every_region_of_the_report_is_drawn_at_its_place_with_its_size(
    plant: Settings, parts: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]
) -> None:
    made = coil_map.coil_map(*parts, {})
    report = RegionReader(open_store(plant.report.uri, plant.store)).regions([NIGHT], ["L1"])
    half, wide = pl.col("length_mm").cast(pl.Float64) / 2000, pl.col("width_mm").cast(pl.Float64) / 2
    expected = report.filter(pl.col("coil") == "C7001").select(
        "object_key",
        "region",
        start=pl.col("along") - half,
        end=pl.col("along") + half,
        low=pl.col("across_mm") - wide,
        high=pl.col("across_mm") + wide,
    )
    shown = made.regions.select("object_key", "region", "start", "end", "low", "high")
    order = ["object_key", "region"]
    assert shown.sort(order).equals(expected.collect().sort(order))
    assert made.total == shown.height
    assert made.unplaced == 0
    rows = boxes(made)
    assert sorted(round(row["start"], 6) for row in rows) == [round(one, 6) for one in shown["start"].sort()]
    for row in rows:  # a click opens the frame of what was clicked
        region = made.regions.row(row["pick"], named=True)
        assert (row["start"], coil_map.targets(made)[row["pick"]]) == (region["start"], region["number"])
    keys = dict(made.images.select("number", "object_key").iter_rows())
    assert [keys[number] for number in made.regions["number"]] == made.regions["object_key"].to_list()


def test_gaps_are_what_the_cameras_did_not_see(parts: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]) -> None:
    made = coil_map.coil_map(*parts, {})
    found = {(row["what"], row["panel"]): row for row in made.holes.iter_rows(named=True)}
    assert set(found) == {(lanes.MISSING, "top"), (lanes.UNREADABLE, "bottom")}
    gap, broken = found[lanes.MISSING, "top"], found[lanes.UNREADABLE, "bottom"]
    before, after = (MISSING[0] - 1) * STEP + LENGTH, (MISSING[-1] + 1) * STEP
    assert (gap["start"], gap["end"], gap["low"]) == pytest.approx((before, after, ACROSS["t2"]), abs=1e-5)
    shown_before, shown_after = (BROKEN[0] - 1) * STEP + LENGTH, (BROKEN[-1] + 1) * STEP  # by readable frames
    assert (broken["start"], broken["end"]) == pytest.approx((shown_before, shown_after), abs=1e-5)
    assert (broken["images"], broken["low"]) == (len(BROKEN), ACROSS["b1"])
    assert made.images["object_key"][broken["number"]].endswith(f"_{BROKEN[0]:03d}.png")
    assert (made.low, made.high) == (0.0, pytest.approx(WHOLE))
    table = made.lanes.select("camera", "low", "panel").rows()
    assert table == [(name, ACROSS[name], "bottom" if name[0] == "b" else "top") for name in ("b1", "b2", "t1", "t2")]


def test_marks_that_repeat_are_on_the_map(
    plant: Settings, parts: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]
) -> None:
    made = coil_map.coil_map(*parts, {})
    (mark,) = read_marks(open_store(plant.report.uri, plant.store), [NIGHT], ["L1"]).iter_rows(named=True)
    assert mark["roll"] == ROLL.name
    assert made.regions.filter(mark=ROLL.name).height == mark["count"]
    assert made.ticks.height == mark["expected"]
    apart = made.ticks["place"].diff().drop_nulls() * 1000
    assert apart.to_list() == pytest.approx([ROLL.circumference] * apart.len(), abs=2)
    (told,) = made.marks["told"]
    assert told == f"{ROLL.name}, every 1,256 mm, > 99.9 %"
    assert told in json.dumps(charts.coil_map(made).to_dict())
    part = coil_map.coil_map(*parts, {}, stretch=(5.0, 10.0))
    assert part.regions.filter((pl.col("end") < 5) | (pl.col("start") > 10)).is_empty()
    assert part.total == made.regions.filter(pl.col("end") >= 5, pl.col("start") <= 10).height
    assert part.ticks["place"].is_between(5, 10).all()


def images(positions: list[float | None], **more: Any) -> pl.DataFrame:
    """Images of one camera, columns ``sources.COIL``."""
    many = len(positions)
    usual = {"ordinal": 0, "coil": "C1", "status": "ok", "camera": "c1", "side": "top", "width": 500, "height": 1000}
    keys = [f"{number:06d}.jpg" for number in range(many)]
    values = {"object_key": keys, "position": positions, **usual, **more}
    told = [
        pl.Series(name, values[name] if isinstance(values[name], list) else [values[name]] * many)
        if name in values
        else pl.Series(name, [None] * many)
        for name in sources.COIL
    ]
    return pl.DataFrame(told)


def on(frames: pl.DataFrame, numbers: list[int], **more: Any) -> pl.DataFrame:
    """A region of 100×200 pixels in each of these frames, without scale unless it is given."""
    unknown = dict.fromkeys(("across_mm", "length_mm", "width_mm", "area_mm2")) | {"camera": "c1"}
    size = {"x": 50, "y": 250, "width": 100, "height": 200}
    keys = [frames["object_key"][number] for number in numbers]
    made = region_rows(np.zeros(len(numbers)), 0.0, **{**unknown, **size, "object_key": keys, **more})
    return made.with_columns(along=pl.lit(None, pl.Float64)).select(COLUMNS)


NO_MARKS = pl.DataFrame(schema=MARKS)


def test_without_positions_the_map_is_in_image_order() -> None:
    frames = images([None] * 4, status=["ok", "failed", "ok", "ok"])
    made = coil_map.coil_map(frames, on(frames, [0, 3]), NO_MARKS, {})
    assert not made.metres
    assert made.regions.select("start", "end", "low", "high").rows() == [(0.75, 0.95, 50, 150), (3.75, 3.95, 50, 150)]
    assert made.holes.select("what", "start", "end", "number").rows() == [(lanes.UNREADABLE, 1.5, 2.5, 1)]
    assert (made.low, made.high) == (0.5, 4.5)
    assert made.lanes["scale"].null_count() == 1
    spec = json.dumps(charts.coil_map(made).to_dict())
    assert '"title": "image"' in spec
    assert "500 pixels" in spec


def test_without_a_scale_regions_lie_in_their_part_of_the_frame() -> None:
    frames = images([0.0, 2.0, 4.0, None], length=None)
    made = coil_map.coil_map(frames, on(frames, [1, 3]), NO_MARKS, {})
    assert made.regions.select("start", "end").rows() == [(2.5, 2.9)]  # frames lie 2 m apart
    assert made.unplaced == 1
    placed = coil_map.coil_map(frames, on(frames, [1]), NO_MARKS, {}, LineFrame(mm_across=2.0))
    assert placed.regions.select("low", "high", "panel").rows() == [(100.0, 300.0, "top")]


def test_what_is_beside_the_strip_is_no_strip() -> None:
    frames = images([0.0, 1.0, 2.0], length=1.0)
    regions = on(frames, [0]).with_columns(across_mm=pl.lit(60.0, pl.Float32), width_mm=pl.lit(100.0, pl.Float32))
    made = coil_map.coil_map(frames, regions, NO_MARKS, {})  # 1 mm per pixel; the frame begins at −40 mm
    (off,) = made.holes.iter_rows(named=True)
    assert (off["what"], off["low"], off["high"], off["start"], off["end"]) == (lanes.OFF, -40.0, 0.0, 0.0, 3.0)
    assert coil_map.targets(made)[-1] is None


def test_an_unreadable_image_beside_a_readable_one_is_no_hole() -> None:
    positions: list[float | None] = [0.0, 1.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    status = ["ok", "ok", "failed", "failed", "failed", "ok", "failed"]
    made = coil_map.coil_map(images(positions, length=1.0, status=status), on(images([0.0]), []), NO_MARKS, {})
    found = made.holes.select("what", "start", "end", "images", "number").rows()
    assert found == [(lanes.UNREADABLE, 2.0, 4.0, 3, 2), (lanes.UNREADABLE, 5.0, 6.0, 1, 6)]


RULES = [SeverityRule(severity="major", min_score=0.8), SeverityRule(severity="minor")]


def test_a_large_coil_is_bounded_and_keeps_the_worst() -> None:
    frames = images([number * 0.5 for number in range(10_000)], status=["failed", "ok"] * 5000, length=0.5)
    numbers = list(range(0, 10_000, 2))
    severe = [None if number % 3 else "minor" for number in range(4500)] + ["major"] * 500
    regions = on(frames, numbers, severity=severe, score=[0.5 + number / 10_000 for number in range(5000)])
    made = coil_map.coil_map(frames, regions, NO_MARKS, ranks(RULES))
    assert (made.regions.height, made.total) == (coil_map.MOST, 5000)
    kept = made.regions["severity"].fill_null("none").value_counts()
    assert dict(kept.iter_rows()) == {"major": 500, "minor": 700}
    minor = regions.filter(severity="minor")["score"].sort(descending=True)
    assert made.regions.filter(severity="minor")["score"].min() == minor[699]
    assert made.holes.height == lanes.MOST_HOLES
    assert len(json.dumps(charts.coil_map(made).to_dict())) < 1_000_000
    near = coil_map.coil_map(frames, regions, NO_MARKS, ranks(RULES), stretch=(100.0, 200.0))
    assert near.regions.height == near.total == 100


def test_the_page_says_what_is_drawn(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(plant, tmp_path, monkeypatch, "coil", night=NIGHT.isoformat(), line="L1", coil="C7001")
    assert not app.exception
    found = RegionReader(open_store(plant.report.uri, plant.store)).regions([NIGHT], ["L1"]).collect()
    assert f"**{found.filter(coil='C7001').height}** regions" in texts(app)
    assert "3.0 m without an image" in texts(app)
    assert "1.5 m unreadable" in texts(app)
    assert "Along its length" not in texts(app)
    app = opened(plant, tmp_path, monkeypatch, "coil", night=NIGHT.isoformat(), line="L1", coil="C7002")
    assert not app.exception
    assert "**0** regions" in texts(app)
    plain = opened(plant, tmp_path, monkeypatch, "coil", night=NIGHT.isoformat(), line="L2", coil="P0001")
    assert not plain.exception
    assert "Along its length" in texts(plain)
    assert "Map" not in [one.value for one in plain.subheader]
