"""kill -9 at any moment, failing storage, two runs at once: the report is that of an undisturbed night."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from paths import SUPPORT
from plants import FOUND, NIGHT, SPEC, UNITS, local_settings, make_plant, rows_of

from steelflow.config import Settings
from steelflow.errors import LockHeld
from steelflow.night.run import NightResult, inspect_night

pytestmark = pytest.mark.slow

RUN = """
import sys
from plants import NIGHT, local_settings
from pathlib import Path
from steelflow.night.run import inspect_night
print("ready", flush=True)
inspect_night(local_settings(Path(sys.argv[1]), Path(sys.argv[2])), NIGHT, wait=60)
print("done", flush=True)
"""


def start(archive: Path, report: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, str(archive), str(report)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=SUPPORT)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plant(tmp_path_factory.mktemp("plant"))


@pytest.fixture(scope="module")
def undisturbed(plant: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, float]:
    folder = tmp_path_factory.mktemp("undisturbed")
    with start(plant, folder / "report") as process:
        begun = time.monotonic()
        assert process.wait(60) == 0
    return local_settings(plant, folder / "report"), time.monotonic() - begun


@pytest.mark.parametrize("seed", range(20))
def test_killed_night_is_finished_by_the_next_run(
    plant: Path, undisturbed: tuple[Settings, float], tmp_path: Path, seed: int
) -> None:
    expected, seconds = undisturbed
    settings = local_settings(plant, tmp_path / "report")
    with start(plant, tmp_path / "report") as process:
        time.sleep(random.Random(seed).uniform(0, seconds))
        process.send_signal(signal.SIGKILL)
    result = inspect_night(settings, NIGHT)
    assert (result.found, result.state) == (FOUND, "complete")
    assert result.done_units + result.skipped_units == UNITS
    assert rows_of(settings).equals(rows_of(expected))
    assert inspect_night(settings, NIGHT).done_units == 0


@pytest.mark.parametrize("pair", range(10))
def test_two_runs_at_once(plant: Path, undisturbed: tuple[Settings, float], tmp_path: Path, pair: int) -> None:
    settings = local_settings(plant, tmp_path / "report")
    outcomes: list[NightResult | LockHeld] = []

    def run() -> None:
        try:
            outcomes.append(inspect_night(settings, NIGHT))
        except LockHeld as exc:
            outcomes.append(exc)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    worked = [outcome for outcome in outcomes if isinstance(outcome, NightResult) and outcome.done_units]
    assert len(worked) == 1  # the other was refused, or came after and found nothing to do
    assert rows_of(settings).equals(rows_of(undisturbed[0]))


def test_the_second_process_waits(plant: Path, undisturbed: tuple[Settings, float], tmp_path: Path) -> None:
    with start(plant, tmp_path / "report") as one, start(plant, tmp_path / "report") as two:
        assert one.wait(120) == 0
        assert two.wait(120) == 0
    settings = local_settings(plant, tmp_path / "report")
    assert rows_of(settings).equals(rows_of(undisturbed[0]))
    records = list((tmp_path / "report" / "runs").rglob("*.json"))
    assert len(records) == 1, f"{SPEC.nights=}: one run did the work, the other found nothing to do"
