"""Which night a moment belongs to."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo


def night_of(moment: dt.datetime, zone: ZoneInfo) -> dt.date:
    """The production day that a run at ``moment`` inspects: the date twelve hours earlier, in the plant's time zone.

    A run at 01:30 inspects the day before; a run at 22:00 inspects the day that is ending.
    """
    return (moment - dt.timedelta(hours=12)).astimezone(zone).date()
