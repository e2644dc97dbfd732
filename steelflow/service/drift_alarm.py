"""The messages about drift in a night."""

from __future__ import annotations

import datetime as dt

from steelflow.config import Settings
from steelflow.report.record import NightDrift
from steelflow.service.alerts import alert
from steelflow.service.once import tell_once

_EVENT = "drift.alarm"


def drift_reason(night: dt.date, drift: NightDrift) -> str:
    """What drifted, in one line; it is the reason of a retraining."""
    return f"drift in the night of {night}: {'; '.join(drift.reasons)}"


def alert_of_drift(settings: Settings, night: dt.date, drift: NightDrift | None) -> bool:
    """Post the alert ``drift.alarm`` if the verdict is an alarm. Returns whether it was delivered."""
    if drift is None or drift.verdict != "alarm":
        return False
    reason = drift_reason(night, drift)
    return alert(settings, _EVENT, reason[0].upper() + reason[1:], {"night": night, **drift.to_dict()})


def alert_once_of_drift(settings: Settings, night: dt.date, drift: NightDrift | None) -> bool:
    """The same, unless the alarm of this night, model and lines was sent before, by whatever run."""
    if drift is None or drift.verdict != "alarm" or settings.alerts.webhook is None:
        return False
    lines = sorted(str(one.line) for one in drift.lines if one.verdict == "alarm")
    cause = f"{drift.model} {', '.join(lines)}"
    return tell_once(settings, night, _EVENT, [cause], lambda _: alert_of_drift(settings, night, drift))
