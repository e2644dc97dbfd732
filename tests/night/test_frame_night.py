"""A night of frames: one row a frame, its regions beside them, through kills, changes and damage."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from frame_plants import FRAMES, LINES, NIGHT, REGIONS, frame_settings, write_frames
from paths import SUPPORT
from strip import SPEC, level_model

from steelflow.config import FrameSettings, Settings
from steelflow.errors import ReportError
from steelflow.inspection.infer import inspect_source
from steelflow.night.run import inspect_night
from steelflow.registry.operating_points import reset_points, set_point
from steelflow.report.places import scan_place
from steelflow.report.reader import ReportReader
from steelflow.report.regions import RegionReader
from steelflow.store import open_store

RUN = """
import sys
from pathlib import Path
from frame_plants import NIGHT, frame_settings
from steelflow.night.run import inspect_night
print("ready", flush=True)
inspect_night(frame_settings(*map(Path, sys.argv[1:])), NIGHT, wait=60)
"""
_VARY = ("run_id", "inferred_at")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp("plant") / "images")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return level_model(tmp_path_factory.mktemp("model") / "levels.onnx")


@pytest.fixture(scope="module")
def undisturbed(archive: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, float]:
    """A night that nobody disturbed, and its seconds."""
    settings = frame_settings(archive, tmp_path_factory.mktemp("undisturbed") / "report", model)
    begun = time.monotonic()
    inspect_night(settings, NIGHT)
    return settings, time.monotonic() - begun


def read(settings: Settings) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of images and of regions, without what varies from run to run."""
    store = open_store(settings.report.uri, settings.store)
    images = ReportReader(store).images().collect().drop(_VARY).sort("line", "object_key", "ordinal")
    regions = RegionReader(store).regions().collect().drop("run_id").sort("line", "object_key", "ordinal", "region")
    return images, regions


def test_a_night(archive: Path, model: Path, tmp_path: Path) -> None:
    settings = frame_settings(archive, tmp_path / "report", model)
    result = inspect_night(settings, NIGHT)
    assert (result.state, result.found, result.failed) == ("complete", 2 * (FRAMES + 1), 2)
    assert result.regions == 2 * REGIONS
    assert result.judged_whole == {}
    images, regions = read(settings)
    assert images["regions"].sum() == regions.height == 2 * REGIONS
    assert images["defect_area"].sum() == regions["area"].sum()
    assert images.filter(pl.col("regions") > 0)["label"].is_in(["dark", "bright"]).all()
    assert images.filter(pl.col("regions") == 0)["label"].unique().to_list() == ["good"]
    assert images.filter(pl.col("status") == "failed")["regions"].to_list() == [None, None]
    one = regions.filter(pl.col("object_key").str.ends_with("3.0m_006.png"), pl.col("line") == "L1").to_dicts()
    assert [(row["label"], row["x"], row["y"], row["width"], row["height"]) for row in one] == [
        ("dark", 56, 32, 24, 16),
        ("bright", 304, 48, 16, 24),
    ]
    assert one[0]["along"] == pytest.approx(3.0 + 0.080)
    assert (one[0]["across_mm"], one[0]["length_mm"], one[0]["width_mm"]) == pytest.approx((34, 32, 12))
    assert (one[0]["coil"], one[0]["line"], one[0]["date"], one[0]["model_name"]) == ("C1", "L1", NIGHT, "levels")
    record = json.loads(next((tmp_path / "report" / "runs").rglob("*.json")).read_text())
    assert (record["regions"], record["model"]["good"]) == (2 * REGIONS, ["good"])
    again = inspect_night(settings, NIGHT)
    assert (again.done_units, again.regions) == (0, 2 * REGIONS)


def test_regions_follow_their_report(archive: Path, model: Path, tmp_path: Path) -> None:
    settings = frame_settings(archive, tmp_path / "report", model)
    inspect_night(settings, NIGHT)
    files = {path.name for path in (tmp_path / "report" / "regions").rglob("*.parquet")}
    coarse = settings.model_copy(update={"frame": FrameSettings(view=128)})
    result = inspect_night(coarse, NIGHT)
    assert result.done_units == len(files)
    after = {path.name for path in (tmp_path / "report" / "regions").rglob("*.parquet")}
    assert len(after) == len(files)
    assert not after & files  # another fingerprint, and the files before are gone
    whole = settings.model_copy(update={"frame": FrameSettings(judged="whole")})
    result = inspect_night(whole, NIGHT)
    assert result.regions is None
    assert result.judged_whole  # 400 pixels, for a model of 64
    assert not list((tmp_path / "report" / "regions").rglob("*.parquet"))


def test_what_a_report_says_of_its_regions_is_checked(archive: Path, model: Path, tmp_path: Path) -> None:
    settings = frame_settings(archive, tmp_path / "report", model)
    inspect_night(settings, NIGHT)
    file = next((tmp_path / "report" / "regions").rglob("*.parquet"))
    pl.read_parquet(file, hive_partitioning=False).head(1).write_parquet(file)
    with pytest.raises(ReportError, match="has 1 regions, but its report has"):
        read(settings)
    file.unlink()
    with pytest.raises(ReportError, match="missing or damaged"):
        read(settings)


def test_a_file_that_no_report_names_is_not_read(archive: Path, model: Path, tmp_path: Path) -> None:
    settings = frame_settings(archive, tmp_path / "report", model)
    inspect_night(settings, NIGHT)
    expected = read(settings)
    file = next((tmp_path / "report" / "regions").rglob("*.parquet"))
    (file.parent / "left-000000000000.parquet").write_bytes(file.read_bytes())
    found = read(settings)
    assert found[1].equals(expected[1])


def test_infer(archive: Path, model: Path, tmp_path: Path) -> None:
    settings = frame_settings(archive, tmp_path / "unused", model)
    out = tmp_path / "out"
    result = inspect_source(str(archive), str(out), settings)
    assert (result.images, result.failed, result.regions) == (2 * (FRAMES + 1), 2, 2 * REGIONS)
    store = open_store(str(out), settings.store)
    assert scan_place(store).collect()["regions"].sum() == 2 * REGIONS
    reports = [info for info in store.list() if not info.key.startswith("regions/")]
    assert RegionReader(store).of_files(reports).height == 2 * REGIONS
    assert inspect_source(str(archive), str(out), settings).judged == 0


def test_one_line_differs(archive: Path, model: Path, tmp_path: Path) -> None:
    frame = FrameSettings.model_validate({"mm_along": 2.0, "lines": {"L2": {"judged": "whole"}}})
    settings = frame_settings(archive, tmp_path / "report", model).model_copy(update={"frame": frame})
    result = inspect_night(settings, NIGHT)
    assert result.regions == REGIONS
    images, regions = read(settings)
    assert regions["line"].unique().to_list() == ["L1"]
    assert images.filter(pl.col("line") == "L2")["regions"].null_count() == FRAMES + 1


def test_operating_point(archive: Path, tmp_path: Path) -> None:
    never = level_model(tmp_path / "never.onnx", SPEC.model_copy(update={"operating_point": 0.99999}))
    settings = frame_settings(archive, tmp_path / "report", never)
    result = inspect_night(settings, NIGHT)
    assert result.regions == 0
    images, regions = read(settings)
    assert images["label"].drop_nulls().unique().to_list() == ["good"]
    assert regions.height == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_killed_night_is_finished_by_the_next_run(
    archive: Path, model: Path, undisturbed: tuple[Settings, float], tmp_path: Path, seed: int
) -> None:
    expected, seconds = undisturbed
    settings = frame_settings(archive, tmp_path / "report", model)
    command = [sys.executable, "-c", RUN, str(archive), str(tmp_path / "report"), str(model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=SUPPORT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(random.Random(seed).uniform(0, seconds))
        process.send_signal(signal.SIGKILL)
    between = list((tmp_path / "report").rglob("reports/**/*.parquet"))
    if between:  # what is there can be read, with as many regions as it says
        images, regions = read(settings)
        assert images["regions"].sum() == regions.height
    result = inspect_night(settings, NIGHT)
    assert (result.state, result.found, result.regions) == ("complete", len(LINES) * (FRAMES + 1), 2 * REGIONS)
    for found, wanted in zip(read(settings), read(expected), strict=True):
        assert found.equals(wanted)
    named = {path.name for path in (tmp_path / "report" / "regions").rglob("*.parquet")}
    assert named == {path.name for path in Path(expected.report.uri, "regions").rglob("*.parquet")}


def test_a_line_has_its_own_operating_point(archive: Path, model: Path, tmp_path: Path) -> None:
    settings = frame_settings(archive, tmp_path / "report", model)
    assert inspect_night(settings, NIGHT).regions == 2 * REGIONS
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    store = open_store(settings.registry_uri, settings.store, create=True)
    set_point(store, digest, "L2", 0.99999, who="anna", reason="scale marks")
    result = inspect_night(settings, NIGHT)
    assert 0 < result.done_units < len(LINES) * 3  # of one line
    assert result.regions == REGIONS
    reset_points(store, digest, "L2", who="anna", reason="new lamps")
    assert inspect_night(settings, NIGHT).regions == 2 * REGIONS
