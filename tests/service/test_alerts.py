"""Alerts reach a real server, wait for one that stumbles, and never say where they go."""

from __future__ import annotations

import datetime as dt
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import trustme
from hooks import SECRETS, TOKEN, Webhook
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
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):  # of the developer
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


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
    expected = f"The alert night.failed was not delivered to alerts.webhook: the response had status {statuses[-1]}"
    assert said == ([] if delivered else [expected])


@pytest.mark.parametrize("url", [
    "ftp://127.0.0.1/S3CRET", "S3CRET", "http://", "http://[S3CRET", "http://h:S3CRET/x", "http://127.0.0.1:1/S3CRET\n",
    "https:///S3CRET", "http://127.0.0.1:99999/S3CRET", "http://127.0.0.1:1/S3CRET ü", "http://-S3CRET-.invalid./x",
    "http://S3CRET..invalid/x", f"http://{'S3CRET' * 20}/x",
])  # fmt: skip
def test_no_url_fails_the_work_or_is_repeated(url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert not alert(told_at(url, tmp_path), "night.failed", "out of disk")
    assert "not delivered" in caplog.text
    assert "S3CRET" not in caplog.text
    assert "Traceback" not in caplog.text


def test_the_token_is_in_no_log(webhook: Webhook, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not even at DEBUG, and not where the server repeats it in its answer; other threads and later calls log on."""
    caplog.set_level(logging.DEBUG)
    webhook.headers = {"Location": f"{webhook.url}/elsewhere"}
    webhook.statuses = [200, 302]
    settings = told_at(webhook.url, tmp_path)
    assert alert(settings, "night.failed", "out of disk")
    assert not alert(settings, "night.failed", "out of disk")
    assert webhook.paths == [TOKEN, TOKEN]  # the redirect was not followed
    assert not any(word in f"{caplog.text} {settings!r} {settings.model_dump_json()}" for word in SECRETS)
    httpx.post(webhook.url, json={})
    assert SECRETS[0] in caplog.text


def test_a_proxy_of_the_environment_is_used(
    webhook: Webhook, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    proxy = urlsplit(webhook.url).netloc
    monkeypatch.setenv("HTTP_PROXY", f"http://somebody:PASSW0RD@{proxy}")
    settings = told_at(f"http://hooks.invalid{TOKEN}", tmp_path)
    assert alert(settings, "drift.alarm", "L1: brightness moved")
    assert webhook.paths == [f"http://hooks.invalid{TOKEN}"]
    monkeypatch.setenv("NO_PROXY", "hooks.invalid")
    assert not alert(settings, "drift.alarm", "L1: brightness moved")
    assert len(webhook.told) == 1
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTP_PROXY", f"nonsense://somebody:PASSW0RD@{proxy}")
    assert not alert(settings, "drift.alarm", "L1: brightness moved")
    assert "check HTTPS_PROXY" in caplog.text
    assert not any(word in caplog.text for word in (*SECRETS, "PASSW0RD"))


def test_a_private_authority_is_trusted_where_the_environment_names_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, bundle = trustme.CA(), tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    server = Webhook(tmp_path / "server.pem")
    try:
        settings = told_at(server.url, tmp_path)
        assert not alert(settings, "night.failed", "out of disk")
        assert "no answer (ConnectError)" in caplog.text
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        assert alert(settings, "night.failed", "out of disk")
        assert server.paths == [TOKEN]
    finally:
        server.close()


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}{TOKEN}"
        assert not alert(told_at(url, tmp_path, timeout=0.05), "night.failed", "out of disk")
    assert "no answer (ReadTimeout)" in caplog.text
