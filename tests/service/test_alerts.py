"""Alerts reach a real server, wait for one that stumbles, and never say where they go."""

from __future__ import annotations

import datetime as dt
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hooks import TOKEN, Webhook
from pydantic import SecretStr

from steelflow.config import AlertSettings, Settings
from steelflow.service import alerts
from steelflow.service.alerts import alert


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "_DELAY", 0.0)


def told_at(url: str | None, folder: Path, timeout: float = 5.0) -> Settings:
    return Settings(home=folder, alerts=AlertSettings(webhook=None if url is None else SecretStr(url), timeout=timeout))


def test_an_alert_is_one_json_object(webhook: Webhook, tmp_path: Path) -> None:
    details = {"night": dt.date(2026, 11, 1), "where": tmp_path, "share": float("nan"), "lines": ("L1", "Straße 2")}
    assert alert(told_at(webhook.url, tmp_path), "drift.alarm", "L1: brightness moved", details)
    (told,) = webhook.told
    assert webhook.paths == [TOKEN]
    assert dt.datetime.fromisoformat(told.pop("at")).tzinfo is not None
    assert told == {
        "event": "drift.alarm",
        "text": "L1: brightness moved",
        "details": {"night": "2026-11-01", "where": str(tmp_path), "share": None, "lines": ["L1", "Straße 2"]},
    }


def test_without_a_webhook_nobody_is_told(tmp_path: Path) -> None:
    assert not alert(told_at(None, tmp_path), "drift.alarm", "L1: brightness moved")


@pytest.mark.parametrize(("statuses", "attempts", "delivered"), [
    ([503, 429, 204], 3, True),
    ([500], 3, False),
    ([404], 1, False),
    ([302], 1, False),
])  # fmt: skip
def test_what_may_pass_is_tried_again(
    webhook: Webhook,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    statuses: list[int],
    attempts: int,
    delivered: bool,
) -> None:
    webhook.statuses = list(statuses)
    assert alert(told_at(webhook.url, tmp_path), "night.failed", "out of disk") is delivered
    assert len(webhook.told) == attempts
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    expected = f"The alert night.failed was not delivered to alerts.webhook: the answer was status {statuses[-1]}"
    assert said == ([] if delivered else [expected])


@pytest.mark.parametrize("url", [
    "ftp://127.0.0.1/S3CRET", "S3CRET", "http://", "http://[S3CRET", "http://h:S3CRET/x", "http://127.0.0.1:1/S3CRET\n",
    "https:///S3CRET", "http://127.0.0.1:99999/S3CRET", "http://127.0.0.1:1/S3CRET ü", "http://-S3CRET-.invalid./x",
])  # fmt: skip
def test_no_url_fails_the_work_or_is_repeated(url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert not alert(told_at(url, tmp_path), "night.failed", "out of disk")
    assert "not delivered" in caplog.text
    assert "S3CRET" not in caplog.text
    assert "Traceback" not in caplog.text


def test_the_token_is_in_no_log(webhook: Webhook, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    settings = told_at(webhook.url, tmp_path)
    assert alert(settings, "night.failed", "out of disk")
    assert "S3CRET" not in f"{caplog.text} {settings!r} {settings.model_dump_json()}"


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}{TOKEN}"
        assert not alert(told_at(url, tmp_path, timeout=0.05), "night.failed", "out of disk")
    assert "no answer (TimeoutError)" in caplog.text
