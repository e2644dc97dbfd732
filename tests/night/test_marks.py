"""The roll marks of a night of frames: found, kept beside the summaries, and found again when their settings change."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import cv2
import polars as pl
import pytest
from commands import called
from strip import frame, level_model, with_defect

from steelflow.cli.rolls import rolls
from steelflow.config import (
    ArchiveSettings,
    FrameSettings,
    ModelSettings,
    ReportSettings,
    RollMarkSettings,
    RollSettings,
    Settings,
    SeverityRule,
)
from steelflow.errors import ReportError
from steelflow.night.run import inspect_night
from steelflow.report.marks import read_marks
from steelflow.report.regions import RegionReader
from steelflow.store import Store, open_store

NIGHT = dt.date(2026, 11, 1)
ROWS, FRAMES, PERIOD = 96, 140, 640  # pixels of 2 mm: a mark every 1.28 m on 27 m of strip
TEMPLATE = "line={line}/date={date}/coil={coil}/{position}m_{name}"


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A coil with a mark that is printed 21 times, and once more in a frame that is broken; another coil without."""
    folder = tmp_path_factory.mktemp("marks")
    for coil in ("C1", "C2"):
        images = folder / "images" / "line=L1" / f"date={NIGHT}" / f"coil={coil}"
        images.mkdir(parents=True)
        for number in range(FRAMES):
            picture = frame(ROWS, 200, number)
            for mark in range(50, ROWS * FRAMES, PERIOD):
                row = mark - number * ROWS
                if coil == "C1" and 0 <= row < ROWS:
                    picture = with_defect(picture, 64, row // 8 * 8, 16, 8)
            _, encoded = cv2.imencode(".png", picture)
            data, name = encoded.tobytes(), f"{number * ROWS * 0.002:.3f}m_{number:03d}.png"
            (images / name).write_bytes(data[:90] if number == 73 else data)
    return Settings(
        home=folder / "home",
        archive=ArchiveSettings(uri=str(folder / "images"), template=TEMPLATE),
        report=ReportSettings(uri=str(folder / "report")),
        model=ModelSettings(ref=str(level_model(folder / "levels.onnx")), batch_size=32, workers=2),
        frame=FrameSettings(mm_across=0.5, mm_along=2.0),
        rolls=(RollSettings(name="S1", circumference_mm=1275.0),),
        severity=(SeverityRule(severity="reject", classes=("dark",), min_length_mm=10),),
    )


@pytest.fixture(scope="module")
def night(plant: Settings) -> Store:
    inspect_night(plant, NIGHT)
    return open_store(plant.report.uri, plant.store)


def test_dirt_on_a_camera_is_no_mark_of_a_roll(plant: Settings, tmp_path: Path) -> None:
    """The same mark in every frame: frames of 0.192 m, so that its period would be that of a roll."""
    images = tmp_path / "images" / "line=L1" / f"date={NIGHT}" / "coil=C1"
    images.mkdir(parents=True)
    for number in range(30):
        picture = with_defect(frame(ROWS, 200, number), 64, 40, 16, 8)
        cv2.imwrite(str(images / f"{number * ROWS * 0.002:.3f}m_{number:03d}.png"), picture)
    moved = {
        "archive": ArchiveSettings(uri=str(tmp_path / "images"), template=TEMPLATE),
        "report": ReportSettings(uri=str(tmp_path / "report")),
    }
    settings = plant.model_copy(update=moved)
    result = inspect_night(settings, NIGHT)
    assert (result.regions, result.roll_marks) == (30, 0)
    (mark,) = read_marks(open_store(settings.report.uri, settings.store)).to_dicts()
    assert (mark["cause"], mark["roll"], mark["count"], mark["expected"]) == ("camera dirt", None, 30, 30)
    file = tmp_path / "steelflow.toml"
    file.write_text(f"home = '{tmp_path}'\n[report]\nuri = '{settings.report.uri}'\n")
    assert "camera dirt: clean the camera" in called(rolls, file, "--date", str(NIGHT))


def records(store: Store) -> list[dict[str, Any]]:
    return [json.loads(store.get(info.key)) for info in store.list("runs/")]


def test_the_marks_of_a_night(plant: Settings, night: Store) -> None:
    (mark,) = read_marks(night, [NIGHT], ["L1"]).to_dicts()
    assert (mark["coil"], mark["label"], mark["roll"], mark["date"], mark["line"]) == ("C1", "dark", "S1", NIGHT, "L1")
    assert mark["period_mm"] == pytest.approx(1280, abs=2)
    assert mark["confidence"] > 0.99
    assert 19 <= mark["count"] <= mark["expected"] == 21
    assert [record["roll_marks"] for record in records(night)] == [1]
    assert read_marks(night, [NIGHT], ["L2"]).is_empty()


def test_severity_is_in_the_regions(night: Store) -> None:
    assert RegionReader(night).regions([NIGHT]).collect()["severity"].unique().to_list() == ["reject"]


def test_the_rules_in_force_grade_the_regions(plant: Settings, night: Store) -> None:
    """A rule of a density counts the regions of the whole coil, 21 on 27 m; a change of the rules acts at once."""
    dense = SeverityRule(severity="dense", classes=("dark",), per_100m=70)
    sparse = SeverityRule(severity="sparse", per_100m=90)
    for rules, expected in (
        (plant.severity, {"reject": 20}),
        ((sparse, dense, *plant.severity), {"dense": 20}),
        ((sparse, *plant.severity), {"reject": 20}),
        ((), {}),
    ):
        again = inspect_night(plant.model_copy(update={"severity": rules}), NIGHT)
        assert (again.judged, again.severities) == (0, expected)


def test_a_second_run_changes_nothing_and_other_rolls_are_fitted_without_inspection(
    plant: Settings, night: Store
) -> None:
    before = {info.key: info.etag for info in night.list()}
    again = inspect_night(plant, NIGHT)
    assert (again.roll_marks, {info.key: info.etag for info in night.list()}) == (1, before)
    other = plant.model_copy(update={"rolls": (RollSettings(name="S2", circumference_mm=1281.0),)})
    assert inspect_night(other, NIGHT).judged == 0
    assert read_marks(night)["roll"].to_list() == ["S2"]
    strict = plant.model_copy(update={"marks": RollMarkSettings(count=30)})
    assert inspect_night(strict, NIGHT).roll_marks == 0
    assert read_marks(night).is_empty()
    inspect_night(plant, NIGHT)
    assert read_marks(night)["roll"].to_list() == ["S1"]


def test_the_command_prints_marks_and_their_images(plant: Settings, night: Store, tmp_path: Path) -> None:
    file = tmp_path / "steelflow.toml"
    file.write_text(f"home = '{tmp_path}'\n[report]\nuri = '{plant.report.uri}'\n")
    printed = called(rolls, file, "--date", str(NIGHT))
    assert "1 repeating marks" in printed
    assert "S1 (+" in printed
    (mark,) = json.loads(called(rolls, file, "--line", "L1", "--coil", "C1", "--json"))["marks"]
    assert (mark["roll"], mark["coil"]) == ("S1", "C1")
    assert mark["images"][0]["object_key"].endswith("coil=C1/0.000m_000.png")
    assert json.loads(called(rolls, file, "--coil", "C2", "--json"))["marks"] == []
    assert "no marks repeat" in called(rolls, file, "--coil", "C2")
    with pytest.raises(ReportError, match="no reports of 2020-01-01"):
        called(rolls, file, "--date", "2020-01-01")


def test_damaged_marks_are_named(plant: Settings, night: Store) -> None:
    (key,) = (info.key for info in night.list("marks/"))
    good = night.get(key)
    night.put(key, good[:50])
    with pytest.raises(ReportError, match=r"L1\.parquet: is damaged; run `steelflow nightly --date 2026-11-01`"):
        read_marks(night)
    assert inspect_night(plant, NIGHT).judged == 0
    assert read_marks(night).height == 1


def test_lines_without_frames_have_no_marks(plant: Settings, tmp_path: Path) -> None:
    settings = plant.model_copy(update={"report": ReportSettings(uri=str(tmp_path / "report"))})
    inspect_night(settings, NIGHT)
    whole = settings.model_copy(update={"frame": FrameSettings(judged="whole")})
    assert inspect_night(whole, NIGHT).roll_marks is None
    store = open_store(whole.report.uri, whole.store)
    assert list(store.list("marks/")) == []
    assert sum("roll_marks" not in one for one in records(store)) == 1
    assert pl.Series([one.get("roll_marks") for one in records(store)]).null_count() == 1
