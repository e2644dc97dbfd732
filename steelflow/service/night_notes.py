"""The message that the model of a night does not know what it saw."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from steelflow.config import Settings
from steelflow.service.alerts import alert
from steelflow.service.once import tell_once

_EVENT = "night.note"


def alert_of_notes(settings: Settings, night: dt.date, notes: Sequence[str], model: str) -> bool:
    """Post the alert ``night.note`` if there are notes. Returns whether it was delivered."""
    if not notes:
        return False
    text = f"Night of {night}: {'; '.join(notes)}"
    return alert(settings, _EVENT, text, {"night": night, "model": model, "notes": list(notes)})


def alert_once_of_notes(settings: Settings, night: dt.date, notes: Sequence[str], model: str) -> bool:
    """The same, with the notes that no alert of this night has told before, by whatever run."""
    if settings.alerts.webhook is None:
        return False
    return tell_once(settings, night, _EVENT, notes, lambda fresh: alert_of_notes(settings, night, fresh, model))
