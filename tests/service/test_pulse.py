"""Signs of life of a run in the store, and what a watcher is told if it cannot start."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from steelflow.config import ReportSettings, RunSettings, Settings
from steelflow.service.pulse import forget, pulse, pulses
from steelflow.store.local import LocalStore


def until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    runs = RunSettings(pulse=0.05, silent=1.0)
    return Settings(home=tmp_path / "home", report=ReportSettings(uri=str(tmp_path / "report")), runs=runs)


def test_a_run_changes_its_object_while_it_works_and_takes_it_away(settings: Settings) -> None:
    store = LocalStore(Path(settings.report.uri), create=True)
    with pulse(settings, "one"), pulse(settings, "two"):
        until(lambda: set(pulses(store)) == {"one", "two"})
        before = pulses(store)
        until(lambda: all(mark != before[run] for run, mark in pulses(store).items()))
    assert pulses(store) == {}


def test_a_store_that_is_away_does_not_stop_the_work(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "report").write_text("a file where the store should be")
    with pulse(settings, "one"):
        pass


def test_what_a_dead_run_left_can_be_deleted(settings: Settings) -> None:
    store = LocalStore(Path(settings.report.uri), create=True)
    store.put("locks/runs/one", b"7")
    forget(store, "one")
    assert pulses(store) == {}


def test_silence_is_longer_than_a_pulse() -> None:
    with pytest.raises(ValueError, match=r"silent \(20\) must be at least three times pulse \(10\)"):
        RunSettings(silent=20)


def test_the_watch_needs_the_address_of_a_server(tmp_path: Path) -> None:
    pytest.importorskip("prefect")
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    told = subprocess.run(
        [sys.executable, "-m", "flows.watch"],
        env=own | {"PREFECT_HOME": str(tmp_path), "STEELFLOW_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 1
    assert told.stderr.strip().splitlines()[-1].startswith("steelflow: PREFECT_API_URL is not set")
