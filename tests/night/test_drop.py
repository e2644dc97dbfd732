"""What the archive no longer has is named, and dropped by a person; models are not mixed by a limit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plants import NIGHT, copied, local_settings, make_plant

from steelflow.config import Settings
from steelflow.errors import ConfigError, ReportError
from steelflow.night.drop import drop
from steelflow.night.run import inspect_night
from steelflow.report.reader import ReportReader
from steelflow.store import open_store


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plant(tmp_path_factory.mktemp("plant"))


@pytest.fixture
def settings(plant: Path, tmp_path: Path) -> Settings:
    return local_settings(copied(plant, tmp_path / "images"), tmp_path / "report")


def test_a_line_that_was_renamed_is_named_and_dropped(settings: Settings) -> None:
    first = inspect_night(settings, NIGHT)
    archive = Path(settings.archive.uri)
    (archive / "line=L2").rename(archive / "line=Walze 2")
    second = inspect_night(settings, NIGHT)
    assert second.state == "incomplete"
    assert any(f"steelflow nights drop --date {NIGHT} --line L2" in one for one in second.missing)
    report = open_store(settings.report.uri, settings.store)
    assert drop(report, NIGHT, "L2", who="ann", reason="renamed") == 3
    assert ReportReader(report).images([NIGHT]).collect().height == first.found
    (info,) = report.list("dropped/")
    assert json.loads(report.get(info.key))["who"] == "ann"
    assert inspect_night(settings, NIGHT).state == "complete"
    with pytest.raises(ReportError, match="no reports of line L2"):
        drop(report, NIGHT, "L2", who="ann", reason="again")


def test_a_limit_does_not_mix_models(settings: Settings) -> None:
    whole = inspect_night(settings, NIGHT)
    other = settings.with_model("ssdc_mininet", None)
    with pytest.raises(ConfigError, match="rows of two models"):
        inspect_night(other, NIGHT, limit=1)
    assert inspect_night(settings, NIGHT, limit=1).run_record == whole.run_record
    assert inspect_night(other, NIGHT).state == "complete"
