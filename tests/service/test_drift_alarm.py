"""What the webhook is told about drift."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from hooks import Webhook
from pydantic import SecretStr

from steelflow.config import AlertSettings, Settings
from steelflow.service.drift_alarm import alert_of_drift, drift_reason

NIGHT = dt.date(2026, 11, 18)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    yield server
    server.close()


def test_an_alarm_is_told_with_its_reasons_and_figures(webhook: Webhook, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, alerts=AlertSettings(webhook=SecretStr(webhook.url)))
    drift = {"verdict": "alarm", "reasons": ["L2: brightness moved", "L3: classes"], "model": "v3"}
    assert alert_of_drift(settings, NIGHT, drift)
    (told,) = webhook.told
    assert told["event"] == "drift.alarm"
    assert told["text"] == "Drift in the night of 2026-11-18: L2: brightness moved; L3: classes"
    assert told["details"] == {"night": "2026-11-18", **drift}
    assert drift_reason(NIGHT, drift) == "drift in the night of 2026-11-18: L2: brightness moved; L3: classes"
    assert not alert_of_drift(settings, NIGHT, drift | {"verdict": "warn"})
    assert not alert_of_drift(settings, NIGHT, None)
    assert len(webhook.told) == 1
