"""A night that misses something says so, with the names: state, run record, exit code, summary line and webhook."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hooks import Webhook
from missing import NIGHTS, Situation
from plants import NIGHT, copied, local_settings, make_plant, snapshot
from pydantic import SecretStr
from typer.testing import CliRunner

from steelflow.cli.main import app
from steelflow.cli.output import state
from steelflow.config import AlertSettings, DriftSettings, NightSettings, Settings
from steelflow.night.coverage import usual_lines
from steelflow.night.run import inspect_night
from steelflow.report.runs import night_record
from steelflow.service.night_missing import alert_of_missing
from steelflow.store import open_store
from steelflow.store.local import LocalStore

SECOND = NIGHT + dt.timedelta(1)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An archive of two nights, and reports of the first."""
    folder = tmp_path_factory.mktemp("plant")
    archive = make_plant(folder)
    assert inspect_night(local_settings(archive, folder / "report"), NIGHT).state == "complete"
    return archive, folder / "report"


@pytest.fixture
def settings(plant: tuple[Path, Path], tmp_path: Path) -> Settings:
    return local_settings(copied(plant[0], tmp_path / "images"), copied(plant[1], tmp_path / "report"))


@pytest.fixture
def hook() -> Iterator[Webhook]:
    hook = Webhook()
    yield hook
    hook.close()


@pytest.mark.parametrize("situation", NIGHTS, ids=lambda one: one.name)
def test_what_a_night_misses_is_said(
    situation: Situation, settings: Settings, hook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    situation.change(Path(settings.archive.uri))
    result = inspect_night(settings, SECOND)
    assert (result.state, bool(result.missing)) == (situation.state, situation.state != "complete")
    record = json.loads(Path(str(result.run_record)).read_text())
    assert (record["state"], tuple(record.get("missing", ()))) == (result.state, result.missing)
    said = "; ".join(result.missing)
    assert all(name in said for name in situation.names), said
    told = settings.model_copy(update={"alerts": AlertSettings(webhook=SecretStr(hook.url))})
    assert alert_of_missing(told, SECOND, result.state, result.new_missing) == bool(result.missing)
    assert [(one["event"], said in one["text"]) for one in hook.told] == (
        [(f"night.{situation.state}", True)] if result.missing else []
    )
    before = snapshot(Path(settings.report.uri))
    monkeypatch.setattr(state, "config_file", None)
    monkeypatch.chdir(tmp_path)
    for name, value in (("ARCHIVE__URI", settings.archive.uri), ("REPORT__URI", settings.report.uri), ("HOME", "home")):
        monkeypatch.setenv(f"STEELFLOW_{name}", value)
    shown = CliRunner().invoke(app, ["nightly", "--date", str(SECOND)])
    assert shown.exit_code == (3 if result.missing else 0)
    assert f"night of {SECOND}: {situation.state}" in shown.stdout
    assert all(one in shown.stdout for one in result.missing)
    assert snapshot(Path(settings.report.uri)) == before, "said again, recorded once"


def test_a_line_of_the_settings_is_expected_from_the_first_night(settings: Settings) -> None:
    asked = settings.model_copy(update={"night": NightSettings(lines=("L1", "L7"))})
    result = inspect_night(asked, NIGHT)
    assert result.state == "incomplete"
    assert any("L7" in one for one in result.missing)
    calm = settings.model_copy(update={"night": NightSettings(lines=("L1",))})
    assert inspect_night(calm, SECOND).state == "complete"


def test_an_incomplete_night_is_judged_and_does_not_become_normal(settings: Settings) -> None:
    small = settings.model_copy(update={"drift": DriftSettings(min_images=50)})
    next(one for one in NIGHTS if one.name == "a line that ran lately is missing").change(Path(settings.archive.uri))
    drift = inspect_night(small, SECOND).drift
    assert drift is not None
    assert "does not become part of it: the night is not complete (incomplete): line L2" in drift.reasons[0]


@pytest.mark.parametrize(
    ("nights", "expected"),
    [
        ((0,), True),  # the last night only
        ((0, 1, 2, 3), True),
        ((1, 2, 3), True),  # away since yesterday
        ((5, 12, 19), False),  # once a week, and not yet due
        ((6, 13, 20), True),  # due
        ((1, 2, 4, 5), True),  # one miss makes no habit
        ((0, 2, 4, 6), False),  # every second night
        ((1, 3, 5, 7), True),
        ((40,), False),  # beyond the window
    ],
)
def test_the_lines_that_usually_run(tmp_path: Path, nights: tuple[int, ...], expected: bool) -> None:
    report = LocalStore(tmp_path / "report", create=True)
    for back in range(45):
        lines = ["L1"] + (["L2"] if back in nights else [])
        for line in lines:
            report.put(f"reports/date={NIGHT - dt.timedelta(back + 1)}/line={line}/loose.parquet", b"x")
    assert usual_lines(report, NIGHT, 28) == ({"L1", "L2"} if expected else {"L1"})
    assert usual_lines(report, NIGHT, 0) == set()


def test_a_run_of_one_line_is_not_the_record_of_the_night(settings: Settings) -> None:
    report = open_store(settings.report.uri, settings.store)
    whole = night_record(report, NIGHT)
    extra = next((Path(settings.archive.uri) / "line=L1" / f"date={NIGHT}").rglob("*_00001.jpg"))
    extra.with_name("extra.jpg").write_bytes(extra.read_bytes())
    run = inspect_night(settings, NIGHT, ["L1"])
    assert run.judged > 0
    assert night_record(report, NIGHT) == whole
    assert inspect_night(settings, SECOND, ["L1"]).state == "complete"
    assert night_record(report, SECOND) is None


def test_the_run_of_the_last_line_records_the_night(settings: Settings) -> None:
    """One record of the night, however many runs did its lines, and none while a line is left."""
    report = open_store(settings.report.uri, settings.store)
    for line in ("L1", "L2"):
        assert night_record(report, SECOND) is None
        inspect_night(settings, SECOND, [line])
    record = night_record(report, SECOND)
    assert record is not None
    again = inspect_night(settings, SECOND)
    assert (record.state, record.found, record.lines) == (again.state, again.found, ("L1", "L2"))
    assert str(again.run_record).endswith(f"{record.run_id}.json")
    inspect_night(settings, SECOND, ["L1"])
    assert night_record(report, SECOND) == record


def test_a_line_that_comes_after_the_record_of_its_night_is_in_the_next_one(settings: Settings) -> None:
    late = Path(settings.archive.uri) / "line=L2" / f"date={SECOND}"
    away = late.rename(late.parents[2] / "away")
    report = open_store(settings.report.uri, settings.store)
    inspect_night(settings, SECOND, ["L1"])
    first = night_record(report, SECOND)
    assert first is not None
    assert first.lines == ("L1",)
    away.rename(late)
    inspect_night(settings, SECOND, ["L2"])
    record = night_record(report, SECOND)
    assert record is not None
    assert record.lines == ("L1", "L2")
    assert record.found > first.found
