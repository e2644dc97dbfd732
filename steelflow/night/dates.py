"""Which night a moment belongs to."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo


def night_of(moment: dt.datetime, zone: ZoneInfo) -> dt.date:
    """The production day that a run at ``moment`` is about: the date, in the plant's time zone, twelve hours before.

    A run at half past one inspects the day before, a run at ten in the evening the day that is ending.
    """
    return (moment - dt.timedelta(hours=12)).astimezone(zone).date()
