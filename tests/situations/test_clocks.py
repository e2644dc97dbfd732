"""A machine whose clock is wrong loses nothing, shadows nothing, and says so."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from pathlib import Path

import pytest
from clocks import CLOCKS, SeenFrom
from plants import local_settings

from steelflow.errors import LockHeld
from steelflow.labels import Label, LabelStore
from steelflow.labels.batches import Batches, frame_of
from steelflow.night.housekeeping import tidy
from steelflow.registry import Registry
from steelflow.report.layout import run_key
from steelflow.report.record import RunRecord
from steelflow.report.runs import backfills, next_number, night_record, run_records
from steelflow.retrain.record import RetrainResult, last_snapshot, put_record, records
from steelflow.store.clock import StoreClock
from steelflow.store.local import LocalStore
from steelflow.store.lock import TTL, locked

NIGHT = dt.date(2026, 11, 1)
WRONG = pytest.mark.parametrize("ahead", CLOCKS.values(), ids=CLOCKS)


@WRONG
def test_the_clock_of_the_store_counts_and_a_wrong_one_is_said(tmp_path: Path, ahead: dt.timedelta) -> None:
    clock = StoreClock(SeenFrom(tmp_path, ahead))
    right = dt.datetime.now(dt.UTC) - ahead
    assert abs(clock.now() - right) < dt.timedelta(minutes=5)
    assert clock.note() is not None
    assert ("ahead of" if ahead > dt.timedelta(0) else "behind") in (clock.note() or "")
    assert not list(LocalStore(tmp_path).list()), "nothing stays"
    sound = StoreClock(LocalStore(tmp_path))
    sound.now()
    assert sound.note() is None


@WRONG
def test_a_label_of_a_wrong_clock_stands_and_is_replaced_by_the_next(tmp_path: Path, ahead: dt.timedelta) -> None:
    wrong, right = LabelStore(SeenFrom(tmp_path, ahead)), LabelStore(SeenFrom(tmp_path, dt.timedelta(0)))
    image = right.images.put(b"image")
    names = ("a", "b", "c")
    for labels, name in ((right, "a"), (wrong, "b"), (right, "c")):
        added = labels.add([Label(image, name, f"who gave {name}", "review")], names)
        assert (added.added, added.not_counted) == (1, ())
        assert LabelStore(LocalStore(tmp_path)).current()["label"].to_list() == [name]
        assert (added.clock is not None) == (labels is wrong)


@WRONG
def test_labels_that_an_earlier_version_dated_wrongly_are_replaced(tmp_path: Path, ahead: dt.timedelta) -> None:
    """Before, the clock of the machine dated a label: one that was years ahead could not be corrected."""
    labels = LabelStore(LocalStore(tmp_path, create=True))
    image = labels.images.put(b"image")
    at = dt.datetime.now(dt.UTC) + ahead
    rows = frame_of([Label(image, "a", "ann", "review", at)], at, labels.history())
    Batches(labels.store).write(rows, at)
    assert labels.add([Label(image, "b", "ben", "review")], ("b",)).not_counted == ()
    assert labels.current()["label"].to_list() == ["b"]


def run_record(run_id: str, at: dt.datetime, number: int, model: str) -> RunRecord:
    spec = {"digest": model, "name": model}
    return RunRecord(run_id=run_id, date=NIGHT, state="complete", started_at=at, number=number, model=spec)  # type: ignore[arg-type]


@WRONG
def test_the_latest_record_of_a_night_is_the_one_that_was_written_last(tmp_path: Path, ahead: dt.timedelta) -> None:
    store = LocalStore(tmp_path, create=True)
    now = dt.datetime(2026, 11, 2, 3, tzinfo=dt.UTC)
    for place, at in enumerate((now, now + ahead, now)):
        run_id, number = f"{at:%Y%m%dT%H%M%SZ}-{place}", next_number(store, NIGHT)
        assert number == (0, 2, 3)[place]
        store.put(run_key(NIGHT, run_id), run_record(run_id, at, number, f"m{place}").to_json())
        latest = night_record(store, NIGHT)
        assert latest is not None
        assert latest.model.digest == run_records(store, 1)[0].model.digest == f"m{place}"
    assert "number" not in json.loads(run_record("x", now, 0, "m").to_json()), "as earlier versions wrote it"


@WRONG
def test_backfills_are_in_the_order_in_which_they_ran(tmp_path: Path, ahead: dt.timedelta) -> None:
    """Those of the same nights by the numbers of their records; others, and those that ran at once, by their times."""
    store = LocalStore(tmp_path, create=True)
    now = dt.datetime(2026, 11, 2, 3, tzinfo=dt.UTC)
    runs = (("one", now, 0), ("two", now + ahead, 2), ("three", now + dt.timedelta(hours=1), 3))
    for name, at, number in runs:
        record = run_record(name, at, number, "m").model_copy(update={"backfill": name})
        store.put(run_key(NIGHT, name), record.to_json())
    assert list(backfills(store)) == ["three", "two", "one"]
    other = NIGHT + dt.timedelta(1)
    for name, number in (("one", 9), ("three", 2)):
        record = run_record(f"{name} again", now, number, "m").model_copy(update={"backfill": name, "date": other})
        store.put(run_key(other, f"{name}-again"), record.to_json())
    assert sorted(backfills(store)) == ["one", "three", "two"]


@WRONG
def test_the_last_retraining_is_the_one_that_was_decided_last(tmp_path: Path, ahead: dt.timedelta) -> None:
    store = LocalStore(tmp_path, create=True)
    now = dt.datetime(2026, 11, 2, 3, tzinfo=dt.UTC)
    old = RetrainResult(id="20361101T000000Z-0", state="refused", started_at=now, details={"snapshot": "old"})  # type: ignore[arg-type]
    store.put(f"retrains/{old.id}.json", old.to_json())  # without a number, as version 0.1 wrote it
    for name, at in (("one", now), ("two", now + ahead), ("three", now)):
        result = RetrainResult(
            id=f"{at:%Y%m%dT%H%M%SZ}-{name}", state="refused", started_at=at, details={"snapshot": name}
        )  # type: ignore[arg-type]
        put_record(store, result)
        assert last_snapshot(records(store)) == name
    assert len(records(store)) == 4


@WRONG
def test_the_log_of_the_registry_is_in_the_order_of_its_changes(tmp_path: Path, ahead: dt.timedelta) -> None:
    wrong, right = Registry(SeenFrom(tmp_path, ahead)), Registry(SeenFrom(tmp_path, dt.timedelta(0)))
    wrong.register("steelnet", who="ann", reason="it ships")
    right.register("ssdc_mininet", who="ben", reason="it ships")
    wrong.promote("v1", who="ann", reason="first")
    right.promote("v2", who="ben", reason="second")
    assert [one.version for one in right.log()] == ["v1", "v2", "v1", "v2"]
    champion = wrong.champion()
    assert champion is not None
    assert champion.version == "v2"
    assert wrong.rollback(who="ann", reason="back").version == "v1"


def test_a_claim_of_the_future_holds_the_lock_no_longer_than_another(tmp_path: Path) -> None:
    """The store's clock was set back while a machine that died since held the lock."""
    store = LocalStore(tmp_path, create=True)
    claim = {"host": "elsewhere", "machine": "another", "pid": 1, "born": "2"}
    store.put("locks/night/abc-000000001", json.dumps(claim).encode())
    path = tmp_path / "locks/night/abc-000000001"
    os.utime(path, (time.time() + 3e8,) * 2)
    with pytest.raises(LockHeld, match="elsewhere"), locked(store, "locks/night", "the night"):
        pass
    assert abs(path.stat().st_mtime - time.time()) < TTL, "it ages from now on"
    os.utime(path, (time.time() - TTL - 1,) * 2)
    with locked(store, "locks/night", "the night"):
        pass


@WRONG
def test_retention_keeps_the_newest_nights_of_each_line(tmp_path: Path, ahead: dt.timedelta) -> None:
    settings = local_settings(tmp_path / "images", tmp_path / "report")
    kept = settings.retention.model_copy(update={"report_days": 10, "drift_days": 10})
    settings = settings.model_copy(update={"retention": kept})
    store = LocalStore(tmp_path / "report", create=True)
    newest = dt.date(2026, 11, 30)
    ages = {"L1": (0, 5, 10, 11, 40), "seldom": (300, 309, 340), "gone": (4000,)}
    for line, days in ages.items():
        for age in days:
            night = f"date={newest - dt.timedelta(age)}"
            store.put(f"reports/{night}/line={line}/loose.parquet", b"rows")
            store.put(f"summaries/{night}/line={line}.parquet", b"sums")
            store.put(f"runs/{night}/20261130-1.json", b"{}")
            store.put(f"drift/nights/{night}.parquet", b"drift")
    tidy(settings, newest + ahead)
    left = {line: set[int]() for line in ages}
    for info in store.list("reports/"):
        date, line, _ = info.key.removeprefix("reports/date=").split("/")
        left[line.removeprefix("line=")].add((newest - dt.date.fromisoformat(date)).days)
    if ahead > dt.timedelta(0):
        assert left == {"L1": {0, 5, 10}, "seldom": {300, 309}, "gone": {4000}}
        assert len(list(store.list("runs/"))) == len(list(store.list("summaries/"))) == 6
    else:  # a clock that is behind keeps more, and loses nothing that the right one keeps
        assert all(wanted <= left[line] for line, wanted in {"L1": {0, 5, 10}, "seldom": {300, 309}}.items())
    tables = {info.key for info in store.list("drift/nights/")}
    assert {f"drift/nights/date={newest - dt.timedelta(age)}.parquet" for age in (0, 300, 4000)} <= tables
