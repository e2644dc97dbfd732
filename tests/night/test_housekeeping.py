"""Retention deletes what is old, in an order that a crash may stop anywhere, and never what is needed."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import called
from plants import local_settings, snapshot

from steelflow.cli.operations import housekeeping
from steelflow.config import Settings
from steelflow.errors import StoreError
from steelflow.night.housekeeping import tidy
from steelflow.registry import Registry, open_registry
from steelflow.report.layout import night_lock_key
from steelflow.store import open_store
from steelflow.store.base import Store
from steelflow.store.local import LocalStore
from steelflow.store.lock import locked
from steelflow.store.s3 import S3Store

TODAY = dt.date(2026, 11, 30)
DAYS = 30


@pytest.fixture(params=["folder", "s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path, fresh_bucket: Callable[[], S3Store]) -> Settings:
    settings = local_settings(tmp_path / "images", tmp_path / "report")
    if request.param == "s3":
        store = fresh_bucket()
        reached = request.getfixturevalue("embedded")
        report = settings.report.model_copy(update={"uri": store.uri})
        settings = settings.model_copy(update={"report": report, "store": reached})
    return kept(settings, report_days=10, drift_days=20)


def kept(settings: Settings, **retention: int | None) -> Settings:
    return settings.model_copy(update={"retention": settings.retention.model_copy(update=retention)})


def fill(settings: Settings) -> Store:
    """Thirty-one nights up to today, as keys without content, and things that are no nights."""
    store = open_store(settings.report.uri, settings.store, create=True)
    for ago in range(DAYS + 1):
        night = f"date={TODAY - dt.timedelta(ago)}"
        store.put(f"reports/{night}/line=L1/loose.parquet", b"rows")
        store.put(f"reports/{night}/line=L2/loose.parquet", b"rows")
        store.put(f"summaries/{night}/line=L1.parquet", b"sums")
        store.put(f"runs/{night}/20261130-1.json", b"{}")
        store.put(f"drift/nights/{night}.parquet", b"drift")
        if ago % 2:
            store.put(f"drift/explanations/{night}.html", b"<p>")
    for strange in ("reports/date=2026-02-31/line=L1/x.parquet", "reports/readme.txt", "drift/references/ab/line=L1"):
        store.put(strange, b"?")
    return store


def nights(store: Store, prefix: str) -> set[dt.date]:
    names = {key.partition("date=")[2][:10] for key in keys(store) if key.startswith(f"{prefix}date=2026-1")}
    return {dt.date.fromisoformat(name) for name in names}


def keys(store: Store) -> set[str]:
    return {info.key for info in store.list() if not info.key.startswith("registry/")}


def back(days: int) -> set[dt.date]:
    return {TODAY - dt.timedelta(ago) for ago in range(days + 1)}


def test_what_is_old_goes(settings: Settings) -> None:
    store = fill(settings)
    before = keys(store)
    planned = tidy(settings, TODAY, dry_run=True)
    assert keys(store) == before
    done = tidy(settings, TODAY)
    for prefix in ("reports/", "summaries/", "runs/"):
        assert nights(store, prefix) == back(10)
    assert nights(store, "drift/nights/") == back(20)
    assert nights(store, "drift/explanations/") == {date for date in back(20) if (TODAY - date).days % 2}
    assert {"reports/date=2026-02-31/line=L1/x.parquet", "reports/readme.txt"} <= keys(store)
    assert "drift/references/ab/line=L1" in keys(store)
    assert set(done.nights) == back(DAYS) - back(10)
    assert set(done.drift) == back(DAYS) - back(20)
    assert done.objects == len(before) - len(keys(store)) == 20 * 4 + 10 + 5
    assert done.bytes == 20 * (3 * 4 + 2) + 10 * 5 + 5 * 3
    assert {**planned.to_dict(), "dry_run": False} == done.to_dict()
    assert "20 nights and 10 drift tables (95 objects" in done.text

    again = tidy(settings, TODAY)
    assert (again.nights, again.drift, again.objects) == ([], [], 0)


def test_without_retention_nothing_goes(settings: Settings) -> None:
    store = fill(settings)
    before = keys(store)
    tidied = tidy(kept(settings, report_days=None, drift_days=None, versions=None), TODAY)
    assert tidied.objects == 0
    assert keys(store) == before


def test_a_new_plant_has_nothing_to_tidy(tmp_path: Path) -> None:
    settings = kept(local_settings(tmp_path / "images", tmp_path / "report"), report_days=1, drift_days=1)
    tidied = tidy(settings, TODAY)
    assert tidied.to_dict() == tidy(settings, TODAY).to_dict()
    assert not (tmp_path / "report").exists()


def test_a_night_that_is_being_inspected_waits(tmp_path: Path) -> None:
    settings = kept(local_settings(tmp_path / "images", tmp_path / "report"), report_days=29)
    store = fill(settings)
    oldest = TODAY - dt.timedelta(DAYS)
    with locked(store, night_lock_key(oldest), "the test"):
        tidied = tidy(settings, TODAY)
        assert (tidied.nights, tidied.busy, tidied.objects) == ([], [oldest], 0)
    assert oldest in nights(store, "reports/")
    assert tidy(settings, TODAY).nights == [oldest]


@pytest.mark.parametrize("survived", range(6))
def test_a_crash_leaves_a_night_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survived: int) -> None:
    """A run record tells of summaries that are there, and a summary of reports that are there: at every moment."""
    settings = kept(local_settings(tmp_path / "images", tmp_path / "report"), report_days=28)
    store = fill(settings)
    delete, left = LocalStore.delete, survived

    def crashing(self: LocalStore, key: str) -> None:
        nonlocal left
        if key.startswith("locks/"):
            return delete(self, key)
        if left == 0:
            raise StoreError("the store is away")
        left -= 1
        return delete(self, key)

    monkeypatch.setattr(LocalStore, "delete", crashing)
    with pytest.raises(StoreError, match="the store is away"):
        tidy(settings, TODAY)
    for night in back(DAYS):
        files = sum(1 for key in keys(store) if key.startswith(f"reports/date={night}"))
        if night in nights(store, "runs/"):
            assert night in nights(store, "summaries/")
        if night in nights(store, "summaries/"):
            assert files == 2
    monkeypatch.undo()
    tidy(settings, TODAY)
    assert nights(store, "reports/") == nights(store, "runs/") == nights(store, "summaries/") == back(28)


def grown(settings: Settings, versions: int) -> Registry:
    """A registry of versions that differ in their data only."""
    registry = open_registry(settings)
    for number in range(1, versions + 1):
        registry.register("ssdc_mininet", data_hash=f"data {number}", who="test", reason="a model")
    return registry


def test_the_newest_versions_stay_and_those_that_are_needed(settings: Settings) -> None:
    registry = grown(settings, 8)
    for name in ("v1", "v2", "v3"):
        registry.promote(name, who="test", reason="better")
    registry.challenge("v4", who="test", reason="perhaps better")
    pinned = settings.model_copy(update={"model": settings.model.model_copy(update={"ref": "v5"})})
    tight = kept(pinned, versions=2)
    assert tidy(tight, TODAY, dry_run=True).versions == ["v1", "v6"]
    assert len(registry.versions()) == 8
    assert tidy(tight, TODAY).versions == ["v1", "v6"]
    assert [version.version for version in registry.versions()] == ["v2", "v3", "v4", "v5", "v7", "v8"]
    assert tidy(tight, TODAY).versions == []
    registry.rollback(who="test", reason="worse")
    assert [entry.action for entry in registry.log()][-3:] == ["delete", "delete", "rollback"]


def test_the_cache_of_this_machine_follows_the_registry(tmp_path: Path) -> None:
    settings = local_settings(tmp_path / "images", tmp_path / "report")
    registry = grown(settings, 1)
    cache = settings.home / "models"
    registry.fetch("v1", cache)
    shutil.copytree(next(cache.iterdir()), cache / ("0" * 64))
    (cache / "notes").mkdir()
    before = snapshot(cache)
    assert tidy(settings, TODAY, dry_run=True).cached == ["0" * 64]
    assert snapshot(cache) == before
    assert tidy(settings, TODAY).cached == ["0" * 64]
    assert {path.name for path in cache.iterdir()} == {registry.version("v1").digest, "notes"}
    registry.fetch("v1", cache)


def test_the_command_tells_what_it_would_do(tmp_path: Path) -> None:
    settings = local_settings(tmp_path / "images", tmp_path / "report")
    store = fill(settings)
    config = tmp_path / "steelflow.toml"
    config.write_text(f'home = "{tmp_path}/home"\nreport.uri = "{store.uri}"\nretention.report_days = 1\n')
    for night in ("2000-01-01", "2000-01-02"):
        store.put(f"reports/date={night}/line=L1/loose.parquet", b"rows")
    before = keys(store)
    dry = called(housekeeping, config, "--dry-run", "--json")
    assert json.loads(dry)["dry_run"]
    assert json.loads(dry)["nights"][:2] == ["2000-01-01", "2000-01-02"]
    assert keys(store) == before
    assert called(housekeeping, config).startswith("deleted: ")
    assert not {key for key in keys(store) if "2000" in key}
