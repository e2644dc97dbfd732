"""Retention: deletes old nights, drift tables, model versions, and their files on this machine.

A line's night is deleted in the reverse order of its making: run records, summary, reports. If that is interrupted, the
rest looks like a night under way, and the next housekeeping finds it. Images of the archive are never deleted.

The age of a night counts from the newest night of its line, or from today if that is earlier. So the newest nights of a
line that stands still are kept, and a machine whose clock is years ahead deletes nothing more.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from steelflow.config import Settings
from steelflow.errors import LockHeld
from steelflow.labels import open_labels
from steelflow.records import ObjectInfo
from steelflow.registry import Registry, open_registry
from steelflow.registry.log import state_of
from steelflow.report.layout import ALERTS, MARKS, REGIONS, REPORTS, RUNS, SUMMARIES, night_lock_key
from steelflow.report.own import is_own
from steelflow.store import Store, open_store
from steelflow.store.lock import locked, sweep
from steelflow.store.unfinished import drop_unfinished

_OF_LINES = (MARKS, SUMMARIES, REPORTS, REGIONS)  # in the order in which they are deleted
_FILES = (MARKS, SUMMARIES)  # one file for each line; the others are folders
_DRIFT = ("drift/explanations/", "drift/nights/")
_DATE = re.compile(r"date=(\d{4}-\d{2}-\d{2})")
_SHOWN = 5  # files that are named
LAST_TIDIED = "housekeeping.txt"
"""Beside the registry: what the last housekeeping did. The time of the object is that of its end."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(slots=True)
class Tidied:
    """What was deleted, or would be deleted in a dry run."""

    dry_run: bool
    nights: list[dt.date] = field(default_factory=list)  # whose reports and summaries of a line were deleted
    drift: list[dt.date] = field(default_factory=list)  # nights whose drift table or explanation was deleted
    objects: int = 0  # of these nights and drift tables
    bytes: int = 0
    busy: list[dt.date] = field(default_factory=list)  # nights that are being inspected: left for the next time
    versions: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)  # digests of model files of this machine
    litter: int = 0  # claims, uploads and temporary files that killed processes have left
    foreign: list[str] = field(default_factory=list)  # files among the reports that are not ours: they are left alone

    @property
    def text(self) -> str:
        """A summary in one line."""
        busy = f"; {len(self.busy)} nights are being inspected and were left out" if self.busy else ""
        litter = f", {self.litter} leftovers of killed processes" if self.litter else ""
        shown = ", ".join(self.foreign[:_SHOWN])
        foreign = (
            f"; {len(self.foreign)} files are not steelflow's and were left alone: {shown}" if self.foreign else ""
        )
        size = f"{self.objects:,} objects, {self.bytes / 1e6:,.1f} MB"
        return (
            f"{'would be deleted' if self.dry_run else 'deleted'}: {len(self.nights)} nights and {len(self.drift)} "
            f"drift tables ({size}), {len(self.versions)} model versions, {len(self.cached)} cached models"
            f"{litter}{busy}{foreign}"
        )

    def to_dict(self) -> dict[str, Any]:
        dates = {name: [date.isoformat() for date in getattr(self, name)] for name in ("nights", "drift", "busy")}
        return {**asdict(self), **dates}


def tidy(settings: Settings, today: dt.date, dry_run: bool = False) -> Tidied:
    """Delete what ``settings.retention`` does not keep: nights that are too many days before the newest night of their
    line (or before ``today``), and all versions but the newest ones.

    The champion, the challenger, the target of a rollback and the version that ``model.ref`` names always stay.

    Raises:
        RegistryError: the registry is damaged; none of its versions was deleted.
        StoreError: run it again to continue.
    """
    keep = settings.retention
    tidied = Tidied(dry_run)
    report = open_store(settings.report.uri, settings.store, create=True)
    lines, recorded = _lines(report), _dates(report.folders(RUNS))
    if keep.report_days is not None:
        _nights(report, lines, recorded, today, keep.report_days, tidied)
    tables = _dates(info.key for top in _DRIFT for info in report.list(top))
    newest = {max(nights) for nights in lines.values()}
    for night in [] if keep.drift_days is None else _old(tables, today, keep.drift_days):
        if night in newest:
            continue
        tidied.drift.append(night)
        _delete(report, [info for top in _DRIFT for info in report.list(f"{top}{_named(night)}")], tidied)
    registry = open_registry(settings)
    _models(registry, settings, tidied)
    tidied.litter = sum(_litter(store, dry_run) for store in (report, registry.store, open_labels(settings).store))
    tidied.foreign = [info.key for info in report.list(REPORTS) if not is_own(report, info)]
    if not dry_run and lines:  # a plant without a night has nothing to keep in order
        registry.store.put(LAST_TIDIED, tidied.text.encode())
    return tidied


def _litter(store: Store, dry_run: bool) -> int:
    """Remains of killed processes in a store: claims of locks, uploads and files that were not finished."""
    return sweep(store, dry_run) + drop_unfinished(store, dry_run)


def _dates(names: Iterable[str]) -> set[dt.date]:
    """The dates in these names."""
    found = set()
    for name in names:
        with contextlib.suppress(ValueError):  # steelflow writes no date that is not in the calendar
            found |= {dt.date.fromisoformat(date) for date in _DATE.findall(name)}
    return found


def _lines(report: Store) -> dict[str, set[dt.date]]:
    """The nights of each line, by the name of its folder: those with anything that belongs to the line."""
    found: dict[str, set[dt.date]] = {}
    for top in _OF_LINES:
        for folder in report.folders(top):
            for night in _dates([folder]):
                below = f"{top}{folder}/"
                files = (info.key.removeprefix(below).removesuffix(".parquet") for info in report.list(below))
                for line in files if top in _FILES else report.folders(below):
                    found.setdefault(line, set()).add(night)
    return found


def _old(nights: Collection[dt.date], today: dt.date, days: int) -> list[dt.date]:
    """Those of ``nights`` that are more than ``days`` days before the newest of them, or before ``today``; oldest
    first."""
    end = min(today, max(nights, default=today))
    return sorted(night for night in nights if (end - night).days > days)


def _nights(
    report: Store,
    lines: Mapping[str, set[dt.date]],
    recorded: Collection[dt.date],
    today: dt.date,
    days: int,
    tidied: Tidied,
) -> None:
    old = {(night, line) for line, nights in lines.items() for night in _old(nights, today, days)}
    kept = {(night, line) for line, nights in lines.items() for night in nights} - old
    with_lines = {night for night, _ in old | kept}
    bare = {night for night in _old(recorded, today, days) if night not in with_lines}  # records of empty nights
    for night in sorted({night for night, _ in old} | bare):
        gone = sorted(line for other, line in old if other == night)
        whole = not any(other == night for other, _ in kept)
        _night(report, night, gone, whole, tidied)


def _night(report: Store, night: dt.date, lines: Iterable[str], whole: bool, tidied: Tidied) -> None:
    """Delete these lines of a night; with the run records if no line of it is kept (``whole``)."""
    there = [info for top in (RUNS, ALERTS) for info in report.list(f"{top}{_named(night)}/")] if whole else []
    for top in _OF_LINES:
        for line in lines:
            listed = report.list(
                f"{top}{_named(night)}/{line}.parquet" if top in _FILES else f"{top}{_named(night)}/{line}/"
            )
            there += [info for info in listed if not info.key.startswith(REPORTS) or is_own(report, info)]
    if not there:
        return
    alone = locked(report, night_lock_key(night), f"the night of {night}")
    try:
        with contextlib.nullcontext() if tidied.dry_run else alone:
            _delete(report, there, tidied)
            tidied.nights.append(night)
    except LockHeld:
        tidied.busy.append(night)


def _delete(store: Store, there: Iterable[ObjectInfo], tidied: Tidied) -> None:
    for info in there:
        if not tidied.dry_run:
            store.delete(info.key)
        tidied.objects += 1
        tidied.bytes += info.size


def _models(registry: Registry, settings: Settings, tidied: Tidied) -> None:
    cache = settings.home / "models"
    cached = sorted(path.name for path in cache.glob("*") if _DIGEST.fullmatch(path.name))  # before a new version comes
    state = state_of(registry.log())
    needed = {state.champion, state.challenger, *state.earlier()[:1], settings.model.ref}
    keep = settings.retention.versions
    for name in [] if keep is None else list(state.registered)[:-keep]:
        if name not in needed:
            if not tidied.dry_run:
                registry.delete(name, reason=f"retention: the newest {keep} versions are kept")
            tidied.versions.append(name)
    left = {version.digest for version in registry.versions() if version.version not in tidied.versions}
    for digest in cached:
        if digest not in left:
            if not tidied.dry_run:
                shutil.rmtree(cache / digest, ignore_errors=True)
            tidied.cached.append(digest)


def _named(night: dt.date) -> str:
    return f"date={night.isoformat()}"
