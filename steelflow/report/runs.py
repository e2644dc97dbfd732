"""Reading run records: what each night did, and how long it took."""

from __future__ import annotations

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from steelflow.errors import ObjectNotFound
from steelflow.report.layout import RUNS, parse_folder
from steelflow.store.base import Store

_THREADS = 16


def run_nights(store: Store) -> list[dt.date]:
    """The nights that have run records, ascending."""
    found = (parse_folder(f"{name}/line=") for name in store.folders(RUNS))
    return sorted({partition.date for partition in found if partition and partition.date})


def run_records(store: Store, nights: int, before: dt.date | None = None) -> list[dict[str, Any]]:
    """The records of the latest ``nights`` nights with records, up to and including ``before``; latest first.

    Records that are damaged, or were deleted meanwhile, are left out.

    Raises:
        StoreError: the records cannot be listed or read.
    """
    dates = [date for date in run_nights(store) if before is None or date <= before][-nights:]
    found = _records(store, [info.key for date in dates for info in store.list(f"{RUNS}date={date.isoformat()}/")])
    return sorted(found, key=lambda record: (record["date"], record["started_at"]), reverse=True)


def backfills(store: Store) -> dict[str, list[dict[str, Any]]]:
    """The records of each backfill by its name, the latest backfill first, its nights ascending. A night that was
    already up to date has no record.

    A backfill may concern any night, so every record is read: half a second for a year of records.

    Raises:
        StoreError: the records cannot be listed or read.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    records = _records(store, [info.key for info in store.list(RUNS)])
    for record in sorted(records, key=lambda record: (record["date"], record["started_at"])):
        if name := record.get("backfill"):
            found.setdefault(str(name), []).append(record)
    return dict(sorted(found.items(), key=lambda one: max(each["started_at"] for each in one[1]), reverse=True))


def _records(store: Store, keys: list[str]) -> list[dict[str, Any]]:
    def read(key: str) -> dict[str, Any] | None:
        try:
            record = json.loads(store.get(key))
        except (ObjectNotFound, ValueError):
            return None
        return record if isinstance(record, dict) and {"date", "state", "started_at"} <= record.keys() else None

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="runs") as pool:
        return [record for record in pool.map(read, keys) if record is not None]
