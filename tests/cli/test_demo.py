"""The whole demo, as a user runs it: its figures are held against each other, not only printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from steelflow.config import load_settings
from steelflow.registry import open_registry
from steelflow.report.runs import run_records
from steelflow.store import open_store
from steelflow.store.embedded import serving
from steelflow.synth.demo import DATES

MINUTES = 45  # a limit for a machine that is busy with other tests
pytestmark = pytest.mark.timeout(60 * MINUTES)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "out"


@pytest.fixture(scope="module")
def printed(out: Path) -> str:
    command = [sys.executable, "-c", "from steelflow.cli.main import main; main()", "demo", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 * MINUTES, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_every_night_of_the_demo_accounts_for_every_image(printed: str) -> None:
    nights = re.findall(r"([\d,]+) found = ([\d,]+) ok \+ ([\d,]+) failed", printed)
    assert len(nights) == 6  # nights one and two with both models, and night three again after the rollback
    for night in nights:
        found, ok, failed = (int(number.replace(",", "")) for number in night)
        assert found == ok + failed > failed > 0


@pytest.mark.slow
def test_the_first_labels_raise_the_recall_at_few_false_alarms(printed: str) -> None:
    told = re.search(r"recall (\d+)% without labels, (\d+)% with .*: (\d+) without labels, (\d+) with", printed)
    assert told is not None
    before, after, many, alarms = (int(number) for number in told.groups())
    assert after > before > 0
    assert after >= 60
    assert alarms <= 0.4 * many  # per 100 m of strip: of about 2,600 frames
    assert alarms <= 150


@pytest.mark.slow
def test_the_aged_lamps_alarm_on_their_line_only(printed: str, out: Path) -> None:
    assert "drift alarm on L2" in printed
    with serving(load_settings(out / "steelflow.toml")) as settings:
        records = {one.date: one for one in run_records(open_store(settings.report.uri, settings.store), 10)}
        champion = open_registry(settings).champion()
    drift = records[DATES[2]].drift
    assert drift is not None
    verdicts = {line["line"]: line["verdict"] for line in drift.model_dump()["lines"]}
    assert verdicts["L2"] == "alarm"
    assert verdicts["L1"] != "alarm"
    assert champion is not None
    assert f"promoted {champion.version} again" in printed
