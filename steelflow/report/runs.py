"""Reads run records: what each night did, and how long it took."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from steelflow.errors import ObjectNotFound, ReportError
from steelflow.report.layout import RUNS, parse_folder
from steelflow.report.record import RunRecord
from steelflow.store.base import Store

_THREADS = 16
_log = logging.getLogger(__name__)


def run_nights(store: Store) -> list[dt.date]:
    """The nights that have run records, ascending."""
    found = (parse_folder(f"{name}/line=") for name in store.folders(RUNS))
    return sorted({partition.date for partition in found if partition and partition.date})


def run_records(store: Store, nights: int, before: dt.date | None = None) -> list[RunRecord]:
    """The records of the latest ``nights`` nights with records, up to and including ``before``; latest first.

    A damaged record is left out with a warning in the log: the reports of its night do not depend on it.

    Raises:
        StoreError: the records cannot be listed or read.
    """
    dates = [date for date in run_nights(store) if before is None or date <= before][-nights:]
    found = _records(store, [key for date in dates for key in _keys(store, date)])
    return sorted(found, key=_order, reverse=True)


def records_of(store: Store, date: dt.date) -> Iterator[tuple[str, RunRecord]]:
    """The records of one night with their keys, latest first.

    Raises:
        StoreError: the records cannot be listed or read.
    """
    keys = _keys(store, date)
    found = [(key, record) for key, record in zip(keys, _each(store, keys), strict=True) if record is not None]
    yield from sorted(found, key=lambda one: (one[1].number, one[0]), reverse=True)


def next_number(store: Store, date: dt.date) -> int:
    """The number of the next record of a night; 0 for the first one. The caller holds the lock of the night."""
    numbers = [record.number for _, record in records_of(store, date)]
    return 1 + max(len(numbers), *numbers) if numbers else 0


def night_record(store: Store, date: dt.date) -> RunRecord | None:
    """The record of a night: that of its latest run of all lines. None if there is none.

    Raises:
        StoreError: the records cannot be listed or read.
    """
    return next((record for _, record in records_of(store, date) if not record.only), None)


def backfills(store: Store) -> dict[str, list[RunRecord]]:
    """The records of each backfill by its name, the latest backfill first and its nights ascending. A night that the
    backfill found up to date has no record.

    A backfill can be of any night, so all records are read: half a second for those of a year.

    Raises:
        StoreError: they cannot be listed or read.
    """
    found: dict[str, list[RunRecord]] = {}
    for record in sorted(_records(store, [info.key for info in store.list(RUNS)]), key=_order):
        if record.backfill:
            found.setdefault(record.backfill, []).append(record)
    return {name: found[name] for name in reversed(_as_they_ran(found))}


def _as_they_ran(found: dict[str, list[RunRecord]]) -> list[str]:
    """The names of backfills, the earliest first. If two inspected the same night, the numbers of its records say which
    was first; otherwise their times do, which a wrong clock may have given."""
    first: dict[str, set[str]] = {name: set() for name in found}  # those that ran before
    of_night: dict[dt.date, list[tuple[int, str]]] = {}
    for name, records in found.items():
        for record in records:
            of_night.setdefault(record.date, []).append((record.number, name))
    for runs in of_night.values():
        for number, name in runs:
            first[name] |= {other for place, other in runs if place < number and other != name}
    left = sorted(found, key=lambda name: max(each.started_at for each in found[name]))
    ordered: list[str] = []
    while left:
        ready = (name for name in left if not first[name].intersection(left))
        ordered.append(next(ready, left[0]))  # two that ran at once may each be first on some night
        left.remove(ordered[-1])
    return ordered


def _order(record: RunRecord) -> tuple[dt.date, int, dt.datetime]:
    return record.date, record.number, record.started_at


def _keys(store: Store, date: dt.date) -> list[str]:
    return [info.key for info in store.list(f"{RUNS}date={date.isoformat()}/")]


def _records(store: Store, keys: list[str]) -> list[RunRecord]:
    return [record for record in _each(store, keys) if record is not None]


def _each(store: Store, keys: list[str]) -> list[RunRecord | None]:
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="runs") as pool:
        return list(pool.map(lambda key: _read(store, key), keys))


def _read(store: Store, key: str) -> RunRecord | None:
    """None for a record that is damaged, or was deleted after it was listed."""
    try:
        return RunRecord.from_json(store.get(key), f"{store.uri}/{key}")
    except ObjectNotFound:
        return None
    except ReportError as exc:
        _log.warning("%s", exc)
        return None
