"""The plant of the demo: its settings fit its frames, and its archive is scored against its truth."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from steelflow.archive.template import KeyTemplate
from steelflow.config import ArchiveSettings, ReportSettings, load_settings
from steelflow.images.decode import decode
from steelflow.records import Failure
from steelflow.synth import demo
from steelflow.synth.frame_spec import FramePlantSpec
from steelflow.synth.frames import strip_metres

SMALL = FramePlantSpec(
    seed=2, lines=("L1",), start=dt.date(2026, 11, 16), nights=2, coils=3, frames=5, width=256, height=64
)


def test_the_settings_of_the_demo_fit_its_frames(tmp_path: Path) -> None:
    settings = load_settings(demo.begin(tmp_path / "out", SMALL))
    assert settings.frame is not None
    assert settings.frame.of("L1").mm_across == settings.frame.of("L1").mm_along == SMALL.mm
    across = {name: camera.across_mm for name, camera in settings.frame.cameras.items()}
    assert across == pytest.approx({name: SMALL.across_mm(name) for name in ("c1", "c2")})


def test_the_demo_s_plant_is_written_and_an_unjudged_night_has_found_nothing(tmp_path: Path) -> None:
    settings = load_settings(demo.begin(tmp_path / "out", SMALL))
    settings = settings.model_copy(
        update={
            "archive": settings.archive.model_copy(update={"uri": str(tmp_path / "archive")}),
            "report": ReportSettings(uri=str(tmp_path / "report")),
        }
    )
    (tmp_path / "report").mkdir()
    made = demo.make_plant(tmp_path / "out", settings, lambda _: None, SMALL)
    files = [path for path in (tmp_path / "archive").rglob("*") if path.is_file()]
    assert made.objects == len(files)
    assert made.bytes == sum(path.stat().st_size for path in files)
    assert made.frames.height == 2 * 3 * 5 * 4
    assert demo.metres_of(made.frames) == pytest.approx(strip_metres(SMALL))
    assert sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.parquet")) == [
        f"{kind}/date={date}/line=L1.parquet" for kind in ("frames", "truth") for date in SMALL.dates
    ]
    found = demo.scored(settings, made, SMALL.dates[:1])
    assert (found.found, found.false_alarms, found.coils) == (0, 0, 3)
    assert found.total == made.truth.filter(date=SMALL.dates[0]).select("coil", "defect").n_unique()


def test_the_default_plant_of_the_demo_is_mostly_good() -> None:
    settings = ArchiveSettings(template=demo.FRAME_TEMPLATE)
    assert KeyTemplate(settings.template).fields >= {"line", "date", "coil", "position"}
    assert demo.PLANT.dates == demo.DATES
    assert demo.PLANT.frames * len(demo.PLANT.eyes) * demo.PLANT.coils >= 500  # a line's night is enough for drift


def test_the_background_setting_is_above_the_pit_and_below_the_strip(tmp_path: Path) -> None:
    settings = load_settings(demo.begin(tmp_path / "out", SMALL))
    assert settings.frame is not None
    assert settings.frame.background is not None
    made = demo.make_plant(
        tmp_path / "out",
        settings.model_copy(update={"archive": ArchiveSettings(uri=str(tmp_path / "archive"))}),
        lambda _: None,
        SMALL,
    )
    for key in made.frames.filter(pl.col("member").is_null(), pl.col("frame") == 2)["object_key"]:
        grey = decode((tmp_path / "archive" / key).read_bytes(), settings.limits)
        assert not isinstance(grey, Failure)
        off = (grey <= settings.frame.background).mean()
        assert 0.05 < off < 0.4
