"""``steelflow up``: a real server, a real schedule, and nothing lost when parts of it are killed."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.metadata
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hooks import Webhook
from up import PATIENCE, Up

pytest.importorskip("prefect")

from prefect.client.schemas.objects import FlowRun

from steelflow.config import Settings, StoreSettings
from steelflow.errors import ConfigError, LockHeld
from steelflow.night.dates import night_of
from steelflow.report.layout import night_lock_key
from steelflow.service.check import INSTALL, check_prefect
from steelflow.service.run import run
from steelflow.service.state import alone, running
from steelflow.store.local import LocalStore
from steelflow.store.lock import locked
from steelflow.synth import PlantSpec, objects

UTC = ZoneInfo("UTC")


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """A plant of which every night that a scheduled run may ask for has images, on embedded storage."""
    up = Up(tmp_path)
    up.config.write_text(f'home = "{up.home}"\nmodel.batch_size = 16\nnight.cron = "* * * * *"\ndashboard.port = 0\n')
    start = dt.datetime.now(dt.UTC).date() - dt.timedelta(2)
    archive = LocalStore(up.home / "objects" / "steelflow-images", create=True)
    for key, data in objects(PlantSpec(lines=("L1",), start=start, nights=4, coils=2, images=4, broken=1, size=64)):
        archive.put(key, data)
    yield up
    if up.process is not None and up.process.poll() is None:
        up.end(signal.SIGTERM)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    yield server
    server.close()


def reports(up: Up) -> list[Path]:
    return list((up.home / "objects" / "steelflow-reports" / "reports").rglob("*.parquet"))


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_scheduled_night_runs_by_itself(up: Up) -> None:
    """Holds the pins of fastapi and SQLAlchemy true: with others, no run is ever created, or none can be listed."""
    up.options = ["--metrics", "127.0.0.1:0"]
    up.start()
    up.wait("a scheduled run", lambda: any(run.auto_scheduled and run.state_name == "Completed" for run in up.runs()))
    assert reports(up)
    assert str(up.home / "s3" / "credentials.json") in up.output()
    secret = json.loads((up.home / "s3" / "credentials.json").read_text())["secret_key"]
    assert secret not in up.logs()
    assert check_prefect(up.settings)[0]

    second = subprocess.run(
        [sys.executable, "-m", "steelflow.cli.main", "--config", str(up.config), "up"], capture_output=True, text=True
    )
    assert second.returncode == 1
    assert "already runs here" in second.stderr
    assert second.stderr.count("\n") == 1
    if importlib.util.find_spec("dashboard"):
        at = re.search(r"dashboard (http://[^/]+)/\?token=", up.output())
        assert at is not None
        up.wait("the dashboard", lambda: answers(f"{at[1]}/_stcore/health"))
    figures = re.search(r"metrics   (http://127\.0\.0\.1:\d+)/metrics", up.output())
    assert figures is not None
    state = b'steelflow_night_state{state="complete"} 1.0'
    up.wait("the figures of the night", lambda: state in read(f"{figures[1]}/metrics"))
    up.wait("a service in good health", lambda: json.loads(read(f"{figures[1]}/healthz"))["ok"])
    assert secret.encode() not in read(f"{figures[1]}/metrics") + read(f"{figures[1]}/healthz")

    assert len(up.alive()) >= 2
    assert up.end(signal.SIGTERM) == 0
    assert up.alive() == []
    assert running(up.settings) is None


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("flow", ["nightly", "retrain"])
@pytest.mark.parametrize("ended", ["serve", "up", "term"])
def test_what_was_under_way_is_taken_up_again(up: Up, webhook: Webhook, flow: str, ended: str) -> None:
    """SIGKILL of the process that serves, SIGKILL and SIGTERM of the whole service: the run ends well, after the next
    start, and none is left behind."""
    rules = up.config.read_text() + f'alerts.webhook = "{webhook.url}"\n'
    if flow == "retrain":  # no night shall be under way as well
        rules = rules.replace("* * * * *", "0 0 1 1 *")
    up.config.write_text(rules)
    store = LocalStore(up.home / "objects" / "steelflow-reports", create=True)
    night = night_of(dt.datetime.now(dt.UTC), UTC)
    with contextlib.ExitStack() as held:  # so that the run is surely under way when it is killed
        if flow == "nightly":
            for date in (night, night + dt.timedelta(1)):
                held.enter_context(locked(store, night_lock_key(date), "the test"))
        else:
            held.enter_context(locked(store, "registry/locks/retrain", "the test"))
        up.start()
        up.wait("the deployments", lambda: up.deployments().get("housekeeping"))
        if flow == "retrain":
            asked = [up.ask("retrain", "the same request") for _ in range(2)]
            assert asked[0].id == asked[1].id
        up.wait("a run under way", lambda: up.running(flow))
        first = up.running(flow)[0]
        if ended == "up":
            up.end(signal.SIGKILL)
        elif ended == "term":
            assert up.end(signal.SIGTERM) == 0
            assert up.alive() == []
        else:
            os.kill(up.groups()["serve"], signal.SIGKILL)
            assert up.process is not None
            assert up.process.wait(PATIENCE) == 1
            assert "the serve process ended unexpectedly" in up.output()
            assert str(up.home / "prefect" / "serve.log") in up.output()
            assert up.alive() == []
        up.start()
    up.wait("the same run to complete", lambda: state_of(up, first) == "Completed")
    again = next(run for run in up.runs() if run.id == first.id)
    assert again.run_count == 2
    assert again.expected_start_time == first.expected_start_time
    assert all(run.start_time and again.start_time and run.start_time >= again.start_time for run in up.running(flow))
    assert [told["details"]["runs"] for told in webhook.told if told["event"] == "service.resumed"] == [[first.name]]
    assert reports(up) or flow == "retrain"
    assert up.end(signal.SIGINT) == 0
    assert up.alive() == []


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def read(url: str) -> bytes:
    """The body, whatever the status; nothing if there is no answer."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as exc:
        return exc.read()
    except OSError:
        return b'{"ok": false}'


def state_of(up: Up, run: FlowRun) -> str | None:
    return next((one.state_name for one in up.runs() if one.id == run.id), None)


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1: .*--port"):
            run(offline(tmp_path), port, None, lambda _: None)


def test_a_home_is_served_once(tmp_path: Path) -> None:
    settings = offline(tmp_path)
    state = settings.home / "prefect"
    state.mkdir(parents=True)
    with alone(state), pytest.raises(LockHeld, match="already runs here"):
        run(settings, 0, None, lambda _: None)


@pytest.mark.parametrize(("name", "version"), [("fastapi", "0.151.0"), ("sqlalchemy", "2.1.0b1"), ("fastapi", "1.0")])
def test_parts_that_do_not_work_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, version: str
) -> None:
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda asked: version if asked == name else real(asked))
    fine, text = check_prefect(offline(tmp_path))
    assert not fine
    assert f"{name} {version}" in text
    assert INSTALL in text
    with pytest.raises(ConfigError, match=name):
        run(offline(tmp_path), 0, None, lambda _: None)


def test_prefect_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert check_prefect(offline(tmp_path)) == (False, f"Prefect is not installed; {INSTALL}")


def test_nothing_runs_in_a_new_home(tmp_path: Path) -> None:
    settings = offline(tmp_path)
    assert running(settings) is None
    fine, text = check_prefect(settings)
    assert fine
    assert "`steelflow up` starts it" in text
    assert not settings.home.exists()


def offline(folder: Path) -> Settings:
    return Settings(home=folder / "home", store=StoreSettings(endpoint="http://127.0.0.1:9"))
