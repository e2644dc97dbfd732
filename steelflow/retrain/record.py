"""What a retraining decided, and why: one JSON object for each, beside the registry's log."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from steelflow.errors import RegistryError
from steelflow.store.base import Store

RETRAINS = "retrains/"

Trigger = Literal["drift", "labels", "calendar", "manual"]
State = Literal["promoted", "refused", "skipped"]


@dataclass(frozen=True, slots=True)
class RetrainResult:
    """``state``: promoted; refused by the gate; or skipped, since there was nothing to be done. ``text`` says why, in
    one line. ``details`` are the figures: labels, candidates, gate, and ``stage_seconds``: train, trial, register (with
    the reference for drift)."""

    id: str
    state: State
    text: str
    trigger: Trigger
    reason: str
    who: str
    started_at: str
    seconds: float
    champion: str | None  # the version before
    challenger: str | None  # the version that was registered
    details: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def put_record(store: Store, result: RetrainResult, key: str | None) -> None:
    """Keep a decision. ``key`` is what asked for it, so that it is not asked for twice."""
    record = {**result.to_dict(), "key": key}
    store.put(f"{RETRAINS}{result.id}.json", json.dumps(record, indent=2).encode())


def records(store: Store) -> list[dict[str, Any]]:
    """All decisions, the latest first.

    Raises:
        RegistryError: one of them is not what was written.
    """
    keys = sorted((info.key for info in store.list(RETRAINS) if info.key.endswith(".json")), reverse=True)
    found = []
    for key in keys:
        try:
            record = json.loads(store.get(key))
            record["id"], record["state"], record["started_at"]
        except (ValueError, KeyError, TypeError) as exc:
            raise RegistryError(f"{store.uri}/{key}: is no record of a retraining; remove it") from exc
        found.append(record)
    return found


def last_snapshot(found: list[dict[str, Any]]) -> str | None:
    """The hash of the labels that the latest one which did train had; promoted or refused, they had their say."""
    return next((one["details"]["snapshot"] for one in found if one["state"] != "skipped"), None)


def last_run(found: list[dict[str, Any]]) -> dt.datetime | None:
    """When the latest one that did train was started."""
    times = [dt.datetime.fromisoformat(one["started_at"]) for one in found if one["state"] != "skipped"]
    return max(times, default=None)
