"""What is wrong with the service, in words: the storage, Prefect's server, the dashboard, the last night."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from steelflow.config import Settings
from steelflow.metrics.figures import Sample
from steelflow.night.dates import night_of
from steelflow.service.ports import DASHBOARD_HEALTH, healthy
from steelflow.service.sessions import address
from steelflow.service.state import running

_OLD = 300.0  # seconds since the figures were read
_BEHIND = 1  # nights: that of today is not inspected before tonight


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of the service. ``text`` says what is wrong with it, or how it is."""

    part: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Health:
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return all(one.ok for one in self.findings)

    def to_dict(self) -> dict[str, object]:
        return {"ok": self.ok, "parts": {one.part: {"ok": one.ok, "says": one.text} for one in self.findings}}


def health(settings: Settings, samples: Iterable[Sample], read_at: float, problem: str | None) -> Health:
    """The health of the service.

    Args:
        samples: the figures, as they were read last.
        read_at: the moment of that, on the monotonic clock.
        problem: why the storage could not be read since then, if it could not.
    """
    findings = [_storage(settings, read_at, problem)]
    if (url := _prefect(settings)) is not None:
        answers = healthy(url)
        findings.append(Finding("prefect", answers, f"{url} {'answers' if answers else 'does not answer'}"))
    if running(settings) is not None and (page := address(settings.home.absolute())) is not None:
        answers = healthy(page, DASHBOARD_HEALTH)
        findings.append(Finding("dashboard", answers, f"{page} {'answers' if answers else 'does not answer'}"))
    findings.append(_night(settings, list(samples)))
    return Health(tuple(findings))


def _storage(settings: Settings, read_at: float, problem: str | None) -> Finding:
    if problem is not None:
        return Finding("storage", False, problem)
    age = time.monotonic() - read_at
    if age > _OLD:
        return Finding("storage", False, f"{settings.report.uri} was last read {age:.0f} s ago; it may hang")
    return Finding("storage", True, f"{settings.report.uri} answers")


def _prefect(settings: Settings) -> str | None:
    """The server that runs the nights; None if there is none."""
    named = os.environ.get("PREFECT_API_URL", "").removesuffix("/").removesuffix("/api")
    return running(settings) or named or None


def _night(settings: Settings, samples: list[Sample]) -> Finding:
    """Whether the last night was inspected, and all of it."""
    state = next((one.labels[0] for one in samples if one.name == "steelflow_night_state" and one.value), None)
    date = next((one.value for one in samples if one.name == "steelflow_night_timestamp_seconds"), None)
    if state is None or date is None:
        return Finding("night", True, "no night was recorded yet")
    night = dt.datetime.fromtimestamp(date, dt.UTC).date()
    expected = night_of(dt.datetime.now(dt.UTC), ZoneInfo(settings.night.timezone))
    if (expected - night).days > _BEHIND:
        return Finding("night", False, f"the last recorded night is {night}; {expected} is due")
    good = state in ("complete", "incomplete")
    return Finding("night", good, f"night of {night}: {state}")
