"""A message about a night is sent once for each cause, whatever the runs and processes that want to send it."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hooks import Webhook
from pydantic import SecretStr

from steelflow.config import AlertSettings, ReportSettings, Settings
from steelflow.report.layout import ALERTS
from steelflow.report.record import LineDrift, NightDrift
from steelflow.service.drift_alarm import alert_once_of_drift
from steelflow.service.night_missing import alert_once_of_missing
from steelflow.service.once import tell_once
from steelflow.store.local import LocalStore

NIGHT = dt.date(2026, 11, 18)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    yield server
    server.close()


@pytest.fixture
def settings(tmp_path: Path, webhook: Webhook) -> Settings:
    report = ReportSettings(uri=str(tmp_path / "report"))
    return Settings(home=tmp_path / "home", report=report, alerts=AlertSettings(webhook=SecretStr(webhook.url)))


def alarm(*lines: str, model: str = "v3") -> NightDrift:
    parts = tuple(LineDrift(line=line, verdict="alarm", reason="a severe breach") for line in lines)
    return NightDrift(verdict="alarm", reasons=tuple(f"{line}: brightness" for line in lines), model=model, lines=parts)


def test_an_alarm_is_told_again_only_if_it_is_another(settings: Settings, webhook: Webhook) -> None:
    told = [
        alert_once_of_drift(settings, night, drift)
        for night, drift in (
            (NIGHT, alarm("L1")),
            (NIGHT, alarm("L1")),
            (NIGHT, alarm("L1", "L2")),
            (NIGHT, alarm("L2", "L1")),
            (NIGHT, alarm("L1", model="v4")),
            (NIGHT + dt.timedelta(1), alarm("L1")),
        )
    ]
    assert told == [True, False, True, False, True, True]
    assert len(webhook.told) == 4


def test_what_is_missing_is_told_sentence_by_sentence(settings: Settings, webhook: Webhook) -> None:
    for missing in (("L1: dark",), ("L1: dark", "L2: dark"), ("L2: dark", "L1: dark"), ()):
        alert_once_of_missing(settings, NIGHT, "incomplete", missing)
    assert [one["details"]["missing"] for one in webhook.told] == [["L1: dark"], ["L2: dark"]]


def test_what_was_not_delivered_is_told_by_the_next_run(settings: Settings, webhook: Webhook) -> None:
    webhook.statuses[:] = [403, 200]
    assert [alert_once_of_drift(settings, NIGHT, alarm("L1")) for _ in range(3)] == [False, True, False]


def test_what_a_dead_process_claimed_is_told_after_a_while(settings: Settings) -> None:
    told: list[str] = []

    def tell(causes: object) -> bool:
        told.append(str(causes))
        return True

    tell_once(settings, NIGHT, "night.note", ["a note"], lambda _: True)
    (claim,) = LocalStore(Path(settings.report.uri)).list(ALERTS)
    path = Path(settings.report.uri) / claim.key
    path.write_text(json.dumps({"cause": "a note", "sent": False}))
    tell_once(settings, NIGHT, "night.note", ["a note"], tell)
    assert told == []
    os.utime(path, (0, 0))
    tell_once(settings, NIGHT, "night.note", ["a note"], tell)
    assert told == ["['a note']"]


def test_of_four_processes_one_tells(settings: Settings, webhook: Webhook) -> None:
    code = (
        "import datetime, sys\n"
        "from steelflow.config import load_settings\n"
        "from steelflow.service.night_notes import alert_once_of_notes\n"
        "sys.stdin.readline()\n"
        f"alert_once_of_notes(load_settings(), datetime.date.fromisoformat('{NIGHT}'), ['a note'], 'v3')\n"
    )
    own = {
        "STEELFLOW_HOME": str(settings.home),
        "STEELFLOW_REPORT__URI": settings.report.uri,
        "STEELFLOW_ALERTS__WEBHOOK": webhook.url,
    }
    started = [
        subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **own}, stdin=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in started:
        process.communicate(b"\n", timeout=300)
    assert [process.returncode for process in started] == [0] * 4
    assert [one["event"] for one in webhook.told] == ["night.note"]
