"""What to learn good strip from, and how. Reading it loads no torch."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from steelflow.begin.sample import FRAMES
from steelflow.begin.threshold import LEFT_OUT
from steelflow.begin.views import VIEWS
from steelflow.errors import ConfigError

FALSE_ALARMS = 0.005
STEPS = 1200
"""Of teaching the finder."""

_DAYS = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\.\.(\d{4}-\d{2}-\d{2}))?")
_MOST_DAYS = 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """What to learn from, and how.

    Attributes:
        source: nights of the settings' archive as ``2026-11-01``, ``2026-11-01..2026-11-03`` or several of them with
            commas; or a folder, or ``s3://bucket/prefix``, without nights and lines.
        lines: all if empty.
        false_alarms: share of good views above the operating point.
        pretrained: weights of MobileNetV2, whose features are compared as well.
        left_out: share of views that may be defective.
        frames, views: at most this many frames are read, and views cut.
        steps: of teaching the finder; see ``selftaught``.
    """

    source: str
    lines: Collection[str] = ()
    false_alarms: float = FALSE_ALARMS
    pretrained: Path | None = None
    left_out: float = LEFT_OUT
    frames: int = FRAMES
    views: int = VIEWS
    steps: int = STEPS
    seed: int = 0


def days(text: str) -> list[dt.date] | None:
    """The nights that ``text`` names, in order; None if it is not a list of dates and ranges.

    Raises:
        ConfigError: a date does not exist, or a range ends before it begins or is longer than a year.
    """
    found: set[dt.date] = set()
    for part in text.split(","):
        match = _DAYS.fullmatch(part.strip())
        if match is None:
            return None
        try:
            first = dt.date.fromisoformat(match[1])
            last = dt.date.fromisoformat(match[2] or match[1])
        except ValueError as exc:
            raise ConfigError(f"--from {text}: {exc}; write dates as 2026-11-01") from exc
        if not 0 <= (last - first).days < _MOST_DAYS:
            raise ConfigError(f"--from {text}: the range must end after it begins, within a year")
        found |= {first + dt.timedelta(days=day) for day in range((last - first).days + 1)}
    return sorted(found)
