"""Follows a night: its share, its rate and the time that is left.

A night is planned line by line. Lines that are not planned yet count as much as those that are, on average.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Iterable

from steelflow.archive.groups import weight
from steelflow.errors import StoreError
from steelflow.inspection.pipeline import Done
from steelflow.records import Partition, Unit
from steelflow.report.layout import progress_key
from steelflow.report.progress import NightProgress
from steelflow.store.base import Store

_EVERY = 5.0  # seconds between two writes


class Tracker:
    """Follows one run of a night."""

    def __init__(self, store: Store, night: dt.date) -> None:
        self._store, self._night = store, night
        self._written = False
        self.begin("", 0)

    def begin(self, run_id: str, lines: int) -> None:
        """The night begins, with so many lines."""
        self._run_id, self._lines, self._planned = run_id, lines, 0
        self._weights: dict[tuple[Partition, str], int] = {}
        self._expected = self._through = self._images = self._done = self._failed = 0
        self._share = 0.0
        self._started = self._told = time.monotonic()

    def expect(self, units: Iterable[Unit]) -> None:
        """A line was planned, and these of its units are to be inspected."""
        self._planned += 1
        for unit in units:
            self._weights[unit.partition, unit.id] = held = weight(unit)
            self._expected += held

    def done(self, one: Done) -> None:
        """A unit came back. The object is written, but not more often than every few seconds."""
        self._through += self._weights.pop((one.unit.partition, one.unit.id), 0)
        self._done += one.error is None
        self._failed += one.error is not None
        self._images += one.counts.found
        if time.monotonic() - self._told >= _EVERY:
            self._told = time.monotonic()
            with contextlib.suppress(StoreError):  # the night does not depend on it
                self._store.put(progress_key(self._night), self.now().to_json())
                self._written = True

    def now(self) -> NightProgress:
        """This moment. The share never falls, although a line can have more work than was expected."""
        lines = self._lines / self._planned if self._planned else 1.0
        whole = self._expected * max(lines, 1.0)
        share = self._through / whole if whole else self._planned / max(self._lines, 1)
        self._share = max(self._share, min(share, 1.0))
        spent = time.monotonic() - self._started
        left = spent * (1 - self._share) / self._share if self._share and self._done else None
        return NightProgress(
            night=self._night,
            run_id=self._run_id,
            lines=self._lines,
            lines_planned=self._planned,
            units_done=self._done,
            units_failed=self._failed,
            units_left=len(self._weights),
            images=self._images,
            images_per_second=round(self._images / spent, 1) if spent and self._images else 0.0,
            share=round(self._share, 4),
            seconds_left=None if left is None else round(left, 1),
        )

    def end(self) -> None:
        """The night is recorded: its object goes, also one that a killed run has left."""
        with contextlib.suppress(StoreError):
            if self._written or any(self._store.list(progress_key(self._night))):
                self._store.delete(progress_key(self._night))
