"""What people are told about drift in a night."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from steelflow.config import Settings
from steelflow.service.alerts import alert


def drift_reason(night: dt.date, drift: Mapping[str, Any]) -> str:
    """One line: what drifted, as the reason of a retraining. ``drift`` has ``reasons``."""
    return f"drift in the night of {night}: {'; '.join(drift['reasons'])}"


def alert_of_drift(settings: Settings, night: dt.date, drift: Mapping[str, Any] | None) -> bool:
    """Post the alert ``drift.alarm`` if the ``verdict`` of ``drift`` is an alarm. Returns whether it was delivered."""
    if drift is None or drift["verdict"] != "alarm":
        return False
    reason = drift_reason(night, drift)
    return alert(settings, "drift.alarm", reason[0].upper() + reason[1:], {"night": night, **drift})
