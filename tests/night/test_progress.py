"""How far a night is, and the object that says so to other programs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from plants import FOUND, NIGHT, UNITS, local_settings, make_plant, snapshot

from steelflow.inspection.pipeline import Done, Seconds
from steelflow.night import progress as module
from steelflow.night.progress import Tracker
from steelflow.night.run import inspect_night
from steelflow.records import ObjectInfo, Partition, Unit
from steelflow.report.layout import progress_key
from steelflow.report.progress import NightProgress, under_way
from steelflow.report.writer import Counts
from steelflow.store import open_store
from steelflow.store.local import LocalStore


def unit(line: str, name: str, images: int) -> Unit:
    objects = [ObjectInfo(f"{line}/{name}/{i}", 1, "e") for i in range(images)]
    return Unit(name, Partition(line, NIGHT), "loose", objects)


def done(one: Unit, error: str | None = None) -> Done:
    found = 0 if error else len(one.objects)
    return Done(one, "k", Counts(found, found, 0, 0), Seconds(), error).light()


@pytest.fixture
def tracker(tmp_path: Path) -> Iterator[Tracker]:
    made = Tracker(LocalStore(tmp_path / "report", create=True), NIGHT)
    made.begin("run", 2)
    yield made
    made.end()


def test_lines_that_are_not_planned_count_as_much_as_the_others(tracker: Tracker) -> None:
    units = [unit("L1", "loose-0", 30), unit("L1", "loose-1", 10)]
    assert (tracker.now().share, tracker.now().seconds_left) == (0.0, None)
    tracker.expect(units)
    tracker.done(done(units[0]))
    assert (tracker.now().share, tracker.now().units_left, tracker.now().images) == (0.375, 1, 30)
    tracker.done(done(units[1], "gone"))
    now = tracker.now()
    assert (now.share, now.units_done, now.units_failed, now.units_left) == (0.5, 1, 1, 0)
    tracker.expect([unit("L2", "loose-0", 400)])  # more than was expected: the share stays
    assert tracker.now().share == 0.5
    tracker.done(done(unit("L2", "loose-0", 400)))
    assert tracker.now().share == 1.0


def test_a_night_with_nothing_to_do_is_done_line_by_line(tracker: Tracker) -> None:
    tracker.expect(())
    assert tracker.now().share == 0.5
    tracker.expect(())
    assert (tracker.now().share, tracker.now().seconds_left) == (1.0, None)


def test_the_text_is_for_people() -> None:
    one = NightProgress(NIGHT, "r", 2, 1, 3, 0, 4, 12_345, 2300.0, 0.43, 200.0)
    assert one.text == "43 %, 12,345 images, 2,300/s, 3 min left"
    assert NightProgress.from_json(one.to_json()) == one


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"night": "x"}'])
def test_what_is_no_progress_is_left_out(tmp_path: Path, data: bytes) -> None:
    store = LocalStore(tmp_path, create=True)
    store.put(progress_key(NIGHT), data)
    assert list(under_way(store)) == []


def test_it_is_told_while_the_night_runs_and_gone_when_it_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_EVERY", 0.0)
    settings = local_settings(make_plant(tmp_path), tmp_path / "report")
    store = open_store(settings.report.uri, settings.store, create=True)
    yesterday = NIGHT - dt.timedelta(days=1)
    store.put(progress_key(yesterday), b"of another night")
    seen: list[NightProgress] = []
    told: list[NightProgress] = []
    inspect_night(settings, NIGHT, progress=lambda _: seen.extend(under_way(store)), follow=told.append)
    assert [one.units_done for one in seen] == list(range(1, UNITS + 1))
    assert [one.share for one in told] == sorted(one.share for one in told)
    assert (told[-1].share, told[-1].images, told[-1].units_left) == (1.0, FOUND, 0)
    assert [info.key for info in store.list("progress/")] == [progress_key(yesterday)]
    before = snapshot(tmp_path / "report")
    assert inspect_night(settings, NIGHT).done_units == 0
    assert snapshot(tmp_path / "report") == before


def test_what_a_killed_run_left_is_there_until_the_night_is_run_again(tmp_path: Path) -> None:
    settings = local_settings(make_plant(tmp_path), tmp_path / "report")
    store = open_store(settings.report.uri, settings.store, create=True)
    store.put(progress_key(NIGHT), NightProgress(NIGHT, "r", 2, 1, 3, 0, 4, 9, 1.0, 0.4, 2.0).to_json())
    assert [one.units_left for one in under_way(store)] == [4]
    inspect_night(settings, NIGHT)
    assert list(under_way(store)) == []
