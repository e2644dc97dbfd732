"""Whether images stopped coming. No Streamlit."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from steelflow.config import NightSettings

_LATE = 4  # hours after the nightly run in which it may still be at work


def due(settings: NightSettings, now: dt.datetime) -> dt.date:
    """The last night that should have been inspected by ``now``."""
    hour = settings.cron.split()[1]
    late = dt.timedelta(hours=_LATE + (int(hour) if hour.isdecimal() else 0))
    return (now.astimezone(ZoneInfo(settings.timezone)) - late).date() - dt.timedelta(days=1)


def silent_nights(settings: NightSettings, latest: dt.date, now: dt.datetime) -> int:
    """The number of nights after ``latest``, the last one with images, that should have been inspected by ``now``."""
    return max(0, (due(settings, now) - latest).days)
