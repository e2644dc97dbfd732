"""How far a night is, as the run tells it to other programs.

progress/date=2026-11-18.json     while a night runs, and after one that was killed; a finished night has none
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from steelflow.errors import ObjectNotFound
from steelflow.report.layout import PROGRESS
from steelflow.store.base import Store


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
