"""The message that a night misses something."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from steelflow.config import Settings
from steelflow.service.alerts import alert


def alert_of_missing(settings: Settings, night: dt.date, state: str, missing: Sequence[str]) -> bool:
    """Post the alert ``night.incomplete`` or ``night.empty``, with all that is missing. Returns whether it was
    delivered."""
    if not missing:
        return False
    event = "night.empty" if state == "empty" else "night.incomplete"
    text = f"Night of {night}: {state}: {'; '.join(missing)}"
    return alert(settings, event, text, {"night": night, "state": state, "missing": list(missing)})
