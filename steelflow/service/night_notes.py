"""The message that the model of a night does not know what it saw."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from steelflow.config import Settings
from steelflow.service.alerts import alert


def alert_of_notes(settings: Settings, night: dt.date, notes: Sequence[str], model: str) -> bool:
    """Post the alert ``night.note`` if there are notes. Returns whether it was delivered."""
    if not notes:
        return False
    text = f"Night of {night}: {'; '.join(notes)}"
    return alert(settings, "night.note", text, {"night": night, "model": model, "notes": list(notes)})
