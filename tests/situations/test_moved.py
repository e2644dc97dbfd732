"""A line renamed, a date put right: nothing counts twice without a word, and no night is left as a ghost."""

from __future__ import annotations

import datetime as dt
import io
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from plants import NIGHT, copied, local_settings, make_plant, snapshot
from typer.testing import CliRunner

from steelflow.cli.main import app
from steelflow.cli.output import state
from steelflow.config import ArchiveSettings, DriftSettings, Settings
from steelflow.drift.accept import accept
from steelflow.drift.check import drift_table
from steelflow.drift.reference_profile import profile_of
from steelflow.drift.references import References
from steelflow.inspection.pipeline import load_model
from steelflow.night.drop import drop
from steelflow.night.run import inspect_night
from steelflow.registry import open_registry
from steelflow.report.reader import ReportReader
from steelflow.report.runs import records_of
from steelflow.store import open_store

LATER = NIGHT + dt.timedelta(5)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An archive of one night, and its reports."""
    folder = tmp_path_factory.mktemp("plant")
    archive = make_plant(folder)
    for line in archive.iterdir():
        shutil.rmtree(line / f"date={NIGHT + dt.timedelta(1)}")
    inspect_night(small(local_settings(archive, folder / "report")), NIGHT)
    return archive, folder / "report"


@pytest.fixture
def settings(plant: tuple[Path, Path], tmp_path: Path) -> Settings:
    return small(local_settings(copied(plant[0], tmp_path / "images"), copied(plant[1], tmp_path / "report")))


def small(settings: Settings) -> Settings:
    return settings.model_copy(update={"drift": DriftSettings(min_images=50)})


def folder(settings: Settings, line: str, date: dt.date) -> Path:
    return Path(settings.archive.uri) / f"line={line}" / f"date={date}"


def counted(settings: Settings) -> int:
    rows = ReportReader(open_store(settings.report.uri, settings.store)).images()
    return int(rows.select(pl.len()).collect().item())


def test_a_date_that_was_put_right_is_named_until_it_is_dropped(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = counted(settings)
    folder(settings, "L1", NIGHT).rename(folder(settings, "L1", LATER))
    folder(settings, "L2", NIGHT).rename(folder(settings, "L2", LATER))
    result = inspect_night(settings, LATER)
    assert result.state == "incomplete"
    commands = [f"steelflow nights drop --date {NIGHT} --line {line}" for line in ("L1", "L2")]
    assert [one.rpartition(": ")[2] for one in result.missing] == commands
    assert inspect_night(settings, LATER).missing == result.missing
    monkeypatch.setattr(state, "config_file", None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEELFLOW_REPORT__URI", settings.report.uri)
    runner = CliRunner()
    assert runner.invoke(app, [*commands[0].split()[1:]], input="n\n").exit_code == 1
    for command in commands:
        shown = runner.invoke(app, [*command.split()[1:], "--who", "Ann"], input="y\n")
        assert shown.exit_code == 0, shown.output
    assert counted(settings) == before
    again = inspect_night(settings, LATER)
    assert (again.state, again.judged) == ("complete", 0)


def test_a_misfiled_coil_is_named_until_its_night_runs_again(settings: Settings) -> None:
    before = counted(settings)
    (coil, *_) = sorted(path for path in folder(settings, "L1", NIGHT).iterdir() if list(path.glob("*.jpg")))
    target = folder(settings, "L1", LATER)
    target.mkdir()
    coil.rename(target / coil.name)
    said = inspect_night(settings, LATER, ["L1"]).missing
    assert [one.rpartition(": ")[2] for one in said] == [f"steelflow nightly --date {NIGHT}"]
    assert counted(settings) > before
    inspect_night(settings, NIGHT)
    assert counted(settings) == before
    assert inspect_night(settings, LATER, ["L1"]).missing == ()


@pytest.mark.parametrize("to", ["another night", "another line"])
def test_some_images_of_no_coil_that_moved_are_named(tmp_path: Path, to: str) -> None:
    place = "line=L2", str(NIGHT) if to == "another line" else str(LATER)
    archive = tmp_path / "images"
    for line, date, first in (
        ("line=L1", NIGHT, 0),
        ("line=L1", LATER, 100),
        ("line=L2", LATER, 200),
        ("line=L2", NIGHT, 300),
    ):
        folder = archive / line / f"date={date}"
        folder.mkdir(parents=True)
        for number in range(100 * first, 100 * first + 6):
            (folder / f"{number}.jpg").write_bytes(_picture(number))
    found = local_settings(archive, tmp_path / "report")
    template = ArchiveSettings(uri=str(archive), template="line={line}/date={date}/{name}")
    found = small(found.model_copy(update={"archive": template}))
    for date in (NIGHT, LATER):
        assert inspect_night(found, date).missing == ()
    for number in (4, 5):
        name = f"{number}.jpg"
        (archive / "line=L1" / f"date={NIGHT}" / name).rename(archive / place[0] / f"date={place[1]}" / name)
    night = dt.date.fromisoformat(place[1])
    said = inspect_night(found, night, ["L2"]).missing
    assert [one.rpartition(": ")[2] for one in said] == [f"steelflow nightly --date {NIGHT}"]
    assert said[0].startswith(f"line L1 on {NIGHT}: its reports have images that the archive now has in line L2")
    inspect_night(found, NIGHT)
    assert inspect_night(found, night, ["L2"]).missing == ()
    assert counted(found) == 24


def test_images_that_expired_or_were_copied_have_not_moved(settings: Settings) -> None:
    shutil.copytree(folder(settings, "L1", NIGHT), folder(settings, "L1", LATER))
    assert inspect_night(settings, LATER, ["L1"]).missing == ()
    for line in ("L1", "L2"):
        shutil.rmtree(folder(settings, line, NIGHT))
    shutil.rmtree(folder(settings, "L1", LATER))
    third = LATER + dt.timedelta(1)
    coil = folder(settings, "L1", third) / "coil=new"
    coil.mkdir(parents=True)
    for number in range(3):
        (coil / f"{number}.jpg").write_bytes(_picture(number))
    assert inspect_night(settings, third, ["L1"]).missing == ()


def _picture(seed: int) -> bytes:
    import numpy as np
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (60, 60), np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_a_dropped_line_is_marked_where_its_runs_are_and_has_no_verdict(settings: Settings) -> None:
    report = open_store(settings.report.uri, settings.store)
    assert set(drift_table(report)["line"]) == {"L1", "L2"}
    drop(report, NIGHT, "L2", who="ann", reason="renamed")
    assert set(drift_table(report)["line"]) == {"L1"}
    assert [record.dropped for _, record in records_of(report, NIGHT)] == [("L2",)]
    drop(report, NIGHT, "L1", who="ann", reason="renamed")
    assert drift_table(report).is_empty()
    (record,) = (record for _, record in records_of(report, NIGHT))
    assert record.dropped == ("L2", "L1")
    kept = [json.loads(report.get(info.key)) for info in report.list("dropped/")]
    assert {(one["line"], one["who"]) for one in kept} == {("L1", "ann"), ("L2", "ann")}


@pytest.mark.parametrize("how", ["first nights", "accepted"])
@pytest.mark.parametrize("also", [False, True], ids=["alone", "with another night"])
def test_a_dropped_night_is_in_no_drift_reference(settings: Settings, how: str, also: bool) -> None:
    report = open_store(settings.report.uri, settings.store)
    model = load_model(settings).engine.digest
    if also:
        for line in ("L1", "L2"):
            shutil.copytree(folder(settings, line, NIGHT), folder(settings, line, LATER))
        inspect_night(settings, LATER)
    nights = {NIGHT, LATER} if also else {NIGHT}
    if how == "accepted":
        accept(report, model, sorted(nights), 10, who="ann", reason="normal")

    def of(line: str) -> set[dt.date]:
        rows = References(report, model, None).line(line)
        return set() if rows is None else set(rows["date"])

    assert (of("L1"), of("L2")) == (nights, nights)
    drop(report, NIGHT, "L2", who="ann", reason="renamed")
    assert (of("L1"), of("L2")) == (nights, nights - {NIGHT})


def test_a_reference_that_the_champion_brings_is_said(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = open_store(settings.report.uri, settings.store)
    rows = References(report, load_model(settings).engine.digest, None).line("L2")
    assert rows is not None
    profile = profile_of(rows, load_model(settings).engine.digest).to_bytes()
    registry = open_registry(settings)
    version = registry.register("steelnet", who="ann", reason="it ships", reference=profile)
    registry.promote(version.version, who="ann", reason="good")
    monkeypatch.setattr(state, "config_file", None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEELFLOW_REPORT__URI", settings.report.uri)
    for line, left in (("L1", 0), ("L2", rows.height)):
        command = ["nights", "drop", "--date", str(NIGHT), "--line", line, "--yes", "--json"]
        told = CliRunner().invoke(app, command)
        assert json.loads(told.stdout)["still_in_reference"] == left


def test_another_model_in_a_night_is_said(settings: Settings) -> None:
    other = settings.with_model("ssdc_mininet", None)
    (note,) = inspect_night(other, NIGHT, ["L1"]).notes
    assert "rows of 2 models" in note
    assert "L1" in note
    assert "L2" in note
    whole = inspect_night(other, NIGHT)
    assert [("was inspected by steelnet" in one, "models (" in one) for one in whole.notes] == [(True, False)]
    before = snapshot(Path(settings.report.uri))
    assert inspect_night(other, NIGHT).notes == whole.notes
    assert snapshot(Path(settings.report.uri)) == before
