"""How far a night is: its share, its rate and the time that is left; and the object that tells it to other programs.

    progress/date=2026-11-18.json     while a night runs, and after one that was killed; a finished night has none

A night is planned line by line. Lines that are not planned yet count as much as those that are, on average.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from steelflow.archive.groups import weight
from steelflow.errors import ObjectNotFound, StoreError
from steelflow.inspection.pipeline import Done
from steelflow.records import Partition, Unit
from steelflow.report.layout import PROGRESS, progress_key
from steelflow.store.base import Store

_EVERY = 5.0  # seconds between two writes


@dataclass(frozen=True, slots=True)
class NightProgress:
    """A moment of a night. ``units_left`` are those of the lines that are planned; ``share`` is that of the whole
    night, from 0 to 1. ``seconds_left`` is None before the first unit is done."""

    night: dt.date
    run_id: str
    lines: int
    lines_planned: int
    units_done: int
    units_failed: int
    units_left: int
    images: int
    images_per_second: float
    share: float
    seconds_left: float | None

    @property
    def text(self) -> str:
        """For people: ``43 %, 12,345 images, 2,300/s, 3 min left``."""
        parts = [f"{100 * self.share:.0f} %", f"{self.images:,} images"]
        parts += [f"{self.images_per_second:,.0f}/s"] if self.images_per_second else []
        parts += [] if self.seconds_left is None else [f"{_span(self.seconds_left)} left"]
        return ", ".join(parts)

    def to_json(self) -> bytes:
        return json.dumps({**asdict(self), "night": self.night.isoformat()}).encode()

    @classmethod
    def from_json(cls, data: bytes) -> NightProgress:
        """Raises ``ValueError`` if it was not written by ``to_json``."""
        found = json.loads(data)
        try:
            kept = {name: found[name] for name in cls.__dataclass_fields__}
            return cls(**kept | {"night": dt.date.fromisoformat(found["night"])})
        except (KeyError, TypeError) as exc:
            raise ValueError(f"no progress of a night: {exc}") from exc


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


def under_way(store: Store) -> Iterator[NightProgress]:
    """The nights that have begun and are not recorded: they run, or were killed.

    Raises:
        StoreError: they cannot be listed or read.
    """
    for info in store.list(PROGRESS):
        with contextlib.suppress(ObjectNotFound, ValueError):
            yield NightProgress.from_json(store.get(info.key))


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
