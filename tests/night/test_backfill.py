"""Past nights are judged again by the champion, and no row is lost where images have left the archive."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import pytest
from commands import called
from plants import FOUND, NIGHT, UNITS, copied, local_settings, make_plant, rows_of, snapshot

from steelflow.cli.operations import backfill as backfill_command
from steelflow.config import Settings
from steelflow.errors import ConfigError, LockHeld, ModelError
from steelflow.night.backfill import backfill, inspect_again, nights
from steelflow.night.run import Night, inspect_night
from steelflow.registry import open_registry
from steelflow.report.layout import night_lock_key
from steelflow.report.runs import backfills, run_records
from steelflow.store.local import LocalStore
from steelflow.store.lock import locked

SECOND = NIGHT + dt.timedelta(1)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plant(tmp_path_factory.mktemp("plant"))


@pytest.fixture
def settings(plant: Path, tmp_path: Path) -> Settings:
    return local_settings(copied(plant, tmp_path / "images"), tmp_path / "report")


def images(settings: Settings, line: str) -> list[Path]:
    return sorted(path for path in folder(settings, line, NIGHT).rglob("*") if path.is_file())


def expire(settings: Settings, line: str, night: dt.date) -> None:
    shutil.rmtree(folder(settings, line, night))


def folder(settings: Settings, line: str, night: dt.date) -> Path:
    return Path(settings.archive.uri) / f"line={line}" / f"date={night}"


def test_a_range_of_nights_is_what_each_night_is(settings: Settings, tmp_path: Path) -> None:
    told: list[dt.date] = []
    result = backfill(settings, NIGHT - dt.timedelta(100), dt.date.max, tell=lambda night: told.append(night.date))
    assert told == [night.date for night in result.nights] == [NIGHT, SECOND]
    assert (result.judged, result.kept, result.failed_units) == (2 * FOUND, 0, ())
    assert [night["result"]["state"] for night in result.to_dict()["nights"]] == ["complete"] * 2
    alone = local_settings(Path(settings.archive.uri), tmp_path / "alone")
    inspect_night(alone, SECOND)
    assert rows_of(settings, SECOND).equals(rows_of(alone, SECOND))


def test_records_name_the_backfill_that_their_night_was_part_of(settings: Settings) -> None:
    inspect_night(settings, NIGHT)
    backfill(settings, NIGHT, SECOND)
    backfill(with_another_model(settings), NIGHT, SECOND)
    store = LocalStore(Path(settings.report.uri))
    later, first = backfills(store).values()
    assert [record.date for record in first] == [SECOND], "the other night was up to date"
    assert [record.date for record in later] == [NIGHT, SECOND]
    assert sum(record.judged for record in later) == 2 * FOUND
    (alone,) = [record for record in run_records(store, 9) if record.backfill is None]
    assert alone.date == NIGHT
    inspect_again(settings, NIGHT, name="misty-otter 0a1b2c3d")
    assert next(iter(backfills(store))) == "misty-otter 0a1b2c3d"


def test_a_second_backfill_changes_nothing(settings: Settings) -> None:
    backfill(settings, NIGHT, SECOND)
    before = snapshot(Path(settings.report.uri))
    assert backfill(settings, NIGHT, SECOND).judged == 0
    assert snapshot(Path(settings.report.uri)) == before


def test_one_that_was_stopped_goes_on(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = Night.finish

    def stopped(night: Night, *arguments: object) -> object:
        if night.date == SECOND:
            raise KeyboardInterrupt
        return finish(night, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Night, "finish", stopped)
    with pytest.raises(KeyboardInterrupt):
        backfill(settings, NIGHT, SECOND)
    monkeypatch.undo()
    first, second = backfill(settings, NIGHT, SECOND).nights
    assert first.result is not None
    assert second.result is not None
    assert (first.result.done_units, first.result.judged) == (0, 0)
    assert second.result.state == "complete"
    assert second.result.skipped_units == UNITS
    assert second.result.run_record is not None


def test_the_new_champion_judges_them(settings: Settings) -> None:
    backfill(settings, NIGHT, NIGHT)
    registry = open_registry(settings)
    version = registry.register("ssdc_mininet", who="test", reason="another model")
    registry.promote(version, who="test", reason="another model")
    result = backfill(settings, NIGHT, NIGHT)
    assert result.judged == FOUND
    assert result.model == version.version
    assert set(rows_of(settings)["model_digest"]) == {version.digest}


def test_a_champion_that_comes_in_the_middle_waits(settings: Settings) -> None:
    registry = open_registry(settings)
    for name in ("ssdc_mininet", "steelnet"):
        version = registry.register(name, who="test", reason="a model")
        if name == "ssdc_mininet":
            registry.promote(version, who="test", reason="the first")
    backfill(settings, NIGHT, SECOND, tell=lambda _: bool(registry.promote("v2", who="test", reason="better")))
    assert set(rows_of(settings, SECOND)["model_version"]) == {"v1"}


@pytest.mark.parametrize("what", ["*.jpg", "*.tar"])
def test_a_line_that_has_lost_images_keeps_its_rows(settings: Settings, what: str) -> None:
    inspect_night(settings, NIGHT)
    before = rows_of(settings)
    next(path for path in images(settings, "L1") if path.match(what)).unlink()
    again = inspect_again(with_another_model(settings), NIGHT)
    assert again.kept == ("L1: 1 objects of its report are no longer in the archive, the report stays",)
    after = rows_of(settings)
    assert after.filter(line="L1").equals(before.filter(line="L1"))
    assert set(after.filter(line="L2")["model_name"]) == {"ssdc_mininet"}
    assert again.result is not None
    assert again.result.found == FOUND // 2


def test_lines_and_nights_that_have_left_the_archive_keep_their_reports(settings: Settings) -> None:
    for night in (NIGHT, SECOND):
        inspect_night(settings, night)
    for line, night in (("L1", NIGHT), ("L1", SECOND), ("L2", SECOND)):
        expire(settings, line, night)
    before = rows_of(settings)
    first, second = backfill(with_another_model(settings), NIGHT, SECOND).nights
    assert first.kept == ("L1: no images left in the archive, its report stays",)
    assert rows_of(settings).filter(line="L1").equals(before.filter(line="L1"))
    assert second.result is None
    assert len(second.kept) == 2
    assert rows_of(settings, SECOND).height == FOUND


def test_late_images_are_no_loss(settings: Settings) -> None:
    """Also where a bucket splits, and its report is deleted before the parts are written."""
    inspect_night(settings, NIGHT)
    some = next(path for path in images(settings, "L1") if path.match("*.jpg"))
    for number in range(30):
        (some.parent / f"late-{number}.jpg").write_bytes(some.read_bytes())
    split = settings.model_copy(update={"archive": settings.archive.model_copy(update={"unit_images": 16})})
    again = inspect_again(split, NIGHT)
    assert again.kept == ()
    assert rows_of(settings).height == FOUND + 30


def test_a_damaged_report_has_no_rows_to_lose(settings: Settings) -> None:
    inspect_night(settings, NIGHT)
    for path in (Path(settings.report.uri) / "reports").rglob("*.parquet"):
        path.write_bytes(b"PAR1 and then nothing")
    again = inspect_again(settings, NIGHT)
    assert (again.kept, rows_of(settings).height) == ((), FOUND)


def test_only_the_lines_that_were_asked_for(settings: Settings) -> None:
    expire(settings, "L2", SECOND)
    result = backfill(settings, NIGHT, SECOND, ["L2"])
    assert [night.date for night in result.nights] == [NIGHT]
    assert set(rows_of(settings)["line"]) == {"L2"}


def test_the_nights_are_those_of_the_archive_and_of_the_reports(settings: Settings) -> None:
    inspect_night(settings, NIGHT, ["L1"])
    expire(settings, "L1", NIGHT)
    expire(settings, "L2", SECOND)
    assert nights(settings, NIGHT, SECOND) == [NIGHT, SECOND]
    assert nights(settings, NIGHT, SECOND, ["L1"]) == [NIGHT, SECOND], "a report is left of the first"
    assert nights(settings, NIGHT, SECOND, ["L2"]) == [NIGHT]
    assert nights(settings, NIGHT, NIGHT) == [NIGHT]
    assert nights(settings, SECOND, SECOND) == [SECOND]
    assert nights(settings, SECOND, SECOND, ["L2"]) == []
    assert nights(settings, dt.date.min, NIGHT - dt.timedelta(1)) == []


def test_one_night_of_lines_with_and_without_images(settings: Settings) -> None:
    inspect_night(settings, NIGHT)
    before = rows_of(settings)
    expire(settings, "L1", NIGHT)
    only = settings.model_copy(update={"night": settings.night.model_copy(update={"lines": ("L2",)})})
    assert inspect_again(only, NIGHT).kept == (), "the settings name L2 alone"
    assert inspect_again(settings, NIGHT, ["L1"]).to_dict() == {
        "date": str(NIGHT),
        "result": None,
        "kept": ["L1: no images left in the archive, its report stays"],
    }
    both = inspect_again(with_another_model(settings), NIGHT, ["L1", "L2"])
    assert both.kept == ("L1: no images left in the archive, its report stays",)
    assert both.result is not None
    assert both.result.judged == FOUND // 2
    assert f"{FOUND // 2} images, {FOUND // 2} of them judged now; L1: no images" in both.text
    assert rows_of(settings).filter(line="L1").equals(before.filter(line="L1"))


def test_a_unit_that_fails_in_a_backfill_is_named_with_its_night(settings: Settings) -> None:
    backfill(settings, NIGHT, SECOND, ["L1"])
    report = next((Path(settings.report.uri) / "reports" / f"date={SECOND}").rglob("*.parquet"))
    report.unlink()
    (report / "in the way").mkdir(parents=True)
    result = backfill(settings, NIGHT, SECOND, ["L1"])
    (failed,) = result.failed_units
    assert failed.startswith(f"{SECOND} L1/{report.stem}: ")
    assert "1 units failed; first: " in result.nights[1].text
    assert "units failed" not in result.nights[0].text


def test_what_cannot_be_is_refused(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="ends before it begins"):
        backfill(settings, SECOND, NIGHT)
    with pytest.raises(ConfigError, match="no images and no reports of line L9"):
        backfill(settings, NIGHT, SECOND, ["L1", "L9"])
    flat = settings.model_copy(update={"archive": settings.archive.model_copy(update={"template": "{coil}/{name}"})})
    with pytest.raises(ConfigError, match="so there are no nights to run again"):
        nights(flat, NIGHT, SECOND)
    with pytest.raises(ModelError):
        backfill(local_settings(Path(settings.archive.uri), Path(settings.report.uri), ref="none"), NIGHT, SECOND)
    assert not Path(settings.report.uri).exists()


def test_a_night_that_another_process_inspects_is_waited_for(settings: Settings) -> None:
    store = LocalStore(Path(settings.report.uri), create=True)
    with locked(store, night_lock_key(NIGHT), "the test"), pytest.raises(LockHeld):
        backfill(settings, NIGHT, NIGHT)


def with_another_model(settings: Settings) -> Settings:
    return settings.model_copy(update={"model": settings.model.model_copy(update={"ref": "ssdc_mininet"})})


def test_the_command_tells_of_every_night(settings: Settings, tmp_path: Path) -> None:
    config = tmp_path / "steelflow.toml"
    config.write_text(
        f'home = "{tmp_path}/home"\narchive.uri = "{settings.archive.uri}"\nreport.uri = "{settings.report.uri}"\n'
        "model.batch_size = 16\nmodel.workers = 2\n"
    )
    span = ("--from", str(NIGHT), "--to", str(SECOND))
    result = json.loads(called(backfill_command, config, *span, "--line", "L1", "--json"))
    assert [night["date"] for night in result["nights"]] == [str(NIGHT), str(SECOND)]
    assert result["judged"] == FOUND
    expire(settings, "L1", SECOND)
    text = called(backfill_command, config, *span)
    assert text.endswith("; 1 of them keep reports whose images are no longer in the archive\n")
