"""A night of frames has its defects per 100 m of strip, in the result, in the summaries and in the months."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from frame_plants import NIGHT, REGIONS, frame_settings, write_frames
from strip import level_model

from steelflow.config import FrameSettings
from steelflow.night.run import inspect_night
from steelflow.report.daily import daily
from steelflow.report.rates import rates
from steelflow.report.reader import ReportReader
from steelflow.report.regions import RegionReader
from steelflow.store import open_store


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp("plant") / "images")


def test_defects_per_100_metres_are_those_of_the_rows(archive: Path, tmp_path: Path) -> None:
    settings = frame_settings(archive, tmp_path / "report", level_model(tmp_path / "levels.onnx"))
    found = inspect_night(settings, NIGHT).defects
    store = open_store(settings.report.uri, settings.store)
    rows = ReportReader(store).images().filter(pl.col("status") == "ok").collect()
    coils = rows.group_by("line", "coil").agg(pl.col("length").sum())
    metres = float(coils["length"].sum())
    assert found.metres == pytest.approx(metres, rel=1e-5)
    assert found.defects == RegionReader(store).regions().collect().height == 2 * REGIONS
    assert found.rate == pytest.approx(100 * 2 * REGIONS / metres, rel=1e-5)
    assert found.text.startswith(f"defects: {found.unit.text(found.rate)} per 100 m ({2 * REGIONS} on ")
    assert {label for label, _, _ in found.classes} <= {"dark", "bright"}
    summary = ReportReader(store).summary()
    assert summary.filter(label="good")["good"].unique().to_list() == [True]
    for line in ("L1", "L2"):
        own = rates(summary.filter(line=line))
        assert own.metres == pytest.approx(float(coils.filter(line=line)["length"].sum()), rel=1e-5)
        assert own.defects == REGIONS
    months = daily(store).unique(["line", "night_strip"])
    assert float(months["night_strip"].sum()) == pytest.approx(metres, rel=1e-5)


def test_without_a_scale_the_base_is_images(archive: Path, tmp_path: Path) -> None:
    settings = frame_settings(archive, tmp_path / "report", level_model(tmp_path / "levels.onnx"))
    result = inspect_night(settings.model_copy(update={"frame": FrameSettings()}), NIGHT)
    assert (result.defects.metres, result.defects.unit.metres) == (None, False)
    assert result.defects.defects == 2 * REGIONS
    assert result.defects.rate == pytest.approx(1000 * 2 * REGIONS / result.ok)
