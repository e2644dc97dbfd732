"""The message that a night misses something."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from steelflow.config import Settings
from steelflow.service.alerts import alert
from steelflow.service.once import tell_once


def alert_of_missing(settings: Settings, night: dt.date, state: str, missing: Sequence[str]) -> bool:
    """Post the alert ``night.incomplete`` or ``night.empty``, with all that is missing. Returns whether it was
    delivered."""
    if not missing:
        return False
    event = _event(state)
    text = f"Night of {night}: {state}: {'; '.join(missing)}"
    return alert(settings, event, text, {"night": night, "state": state, "missing": list(missing)})


def alert_once_of_missing(settings: Settings, night: dt.date, state: str, missing: Sequence[str]) -> bool:
    """The same, with what no alert of this night has said before, by whatever run."""
    if settings.alerts.webhook is None:
        return False
    return tell_once(
        settings, night, _event(state), missing, lambda fresh: alert_of_missing(settings, night, state, fresh)
    )


def _event(state: str) -> str:
    return "night.empty" if state == "empty" else "night.incomplete"
