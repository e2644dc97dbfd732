"""The clock of a store, which all machines share. The clock of a machine can be wrong, by an hour or by ten years."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
import uuid

from steelflow.errors import StoreError
from steelflow.store.base import Store

_FOLDER = "locks/clock/"
_FRESH = 300.0  # seconds
_TOLERATED = dt.timedelta(minutes=2)


class StoreClock:
    """The time by the clock of ``store``, measured with a small object, and again every five minutes. In between, a
    counter of this machine that cannot be set goes on from there. If nothing can be written, the machine's clock
    counts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._measured: tuple[dt.datetime, float] | None = None
        self.skew = dt.timedelta(0)
        """How far this machine's clock is ahead of the store's; negative if it is behind."""

    def now(self) -> dt.datetime:
        """The time, UTC."""
        started = time.monotonic()
        if self._measured is not None and started - self._measured[1] < _FRESH:
            return self._measured[0] + dt.timedelta(seconds=started - self._measured[1])
        found = _probe(self._store)
        here = dt.datetime.now(dt.UTC)
        if found is None:
            return here
        skew = here - found
        if abs(skew) <= _TOLERATED:  # S3 tells full seconds: the machine's clock is finer, and right
            found, skew = here, dt.timedelta(0)
        self._measured, self.skew = (found, time.monotonic()), skew
        return found

    def note(self) -> str | None:
        """A sentence if this machine's clock is wrong; None if it is right, or was not compared."""
        if not self.skew:
            return None
        way = "ahead of" if self.skew > dt.timedelta(0) else "behind"
        return (
            f"the clock of this machine is {_words(abs(self.skew))} {way} the clock of {self._store.uri}; the store's "
            "time counts; set the clock (`timedatectl`)"
        )


def store_time(store: Store) -> dt.datetime:
    """The time by the store's clock, measured now."""
    return StoreClock(store).now()


def _probe(store: Store) -> dt.datetime | None:
    key = f"{_FOLDER}{uuid.uuid4().hex}"
    with contextlib.suppress(StoreError):
        made = store.put(key, b"what time is it?")
        try:
            return made.modified or store.stat(key).modified
        finally:
            store.delete(key)
    return None


def _words(span: dt.timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes / 60:.1f} hours" if minutes < 2880 else f"{minutes // 1440:,} days"
