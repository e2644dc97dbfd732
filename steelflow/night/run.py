"""A night: every line of one date, planned, inspected and recorded. ``make`` for inference: what is up to date stays.

night = Night(...)                        what is there, and with which model
plan = night.plan(partition)              what of a partition has to be done
night.inspect(plan.todo)                  do it (here, or piece by piece on other machines)
night.finish(plans, done)                 summaries, then the run record, last
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from steelflow import __version__
from steelflow.archive.discovery import discover, objects
from steelflow.archive.template import KeyTemplate
from steelflow.archive.units import plan as plan_units
from steelflow.archive.units import superseded
from steelflow.config import Settings
from steelflow.drift import check_night, write_explanation
from steelflow.errors import ConfigError, DriftError, ObjectNotFound, RegistryError, ReportError
from steelflow.inspection.pipeline import Done, Inspection, Model, Seconds, inspect, load_model, new_run_id
from steelflow.night.reference import brought_by
from steelflow.records import Partition, Unit
from steelflow.registry import resolved
from steelflow.report.daily import write_daily
from steelflow.report.footer import read_footers
from steelflow.report.layout import REPORTS, RUNS, folder, night_lock_key, report_key, run_key
from steelflow.report.reader import ReportReader
from steelflow.report.summary import is_current, write_summary
from steelflow.report.writer import Counts
from steelflow.store import Store, open_store
from steelflow.store.lock import locked

_IMAGE_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class PartitionPlan:
    """``todo`` is to be inspected; ``skipped`` are reports that are up to date, with what they hold; ``prints`` are
    the fingerprints of all units, done or not."""

    partition: Partition
    todo: tuple[Unit, ...]
    skipped: int
    skipped_counts: Counts
    stale: tuple[str, ...]
    ignored: int
    ignored_sample: tuple[str, ...]
    prints: tuple[str, ...]

    def take(self, limit: int | None) -> tuple[Unit, ...]:
        """At most so many units; all of them where reports are to be cleared, lest rows be missing afterwards."""
        return self.todo if self.stale else self.todo[:limit]

    def light(self) -> PartitionPlan:
        """Without the objects of the units: a night keeps its plans, and there may be millions of objects."""
        return dataclasses.replace(self, todo=tuple(dataclasses.replace(unit, objects=()) for unit in self.todo))


@dataclass(frozen=True, slots=True)
class NightResult:
    """How the night stands: counts over all its images, done now or before. ``failed_units`` are to be run again."""

    date: dt.date
    found: int
    ok: int
    failed: int
    ignored: int
    skipped_units: int
    done_units: int
    failed_units: tuple[str, ...]
    judged: int
    seconds: float
    run_record: str | None
    state: str
    model: str  # its version in the registry; its digest for one that is not from there
    drift: dict[str, Any] | None  # the verdict, as in the run record; None for a night that is not complete

    def to_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "date": self.date.isoformat()}


class Night:
    """One date of an archive, to be inspected with one model; ``backfill`` names the one that the night is part of.

    Raises:
        ConfigError, StoreError, ModelError: before anything is written.
    """

    def __init__(
        self, settings: Settings, date: dt.date, lines: Iterable[str] = (), backfill: str | None = None
    ) -> None:
        self.date = date
        self.backfill = backfill
        self.settings = settings
        self.template = KeyTemplate(settings.archive.template)
        self.archive: Store = open_store(settings.archive.uri, settings.store)
        self.report: Store = open_store(settings.report.uri, settings.store, create=True)
        self._asked = tuple(lines)
        self._discover()
        self.model: Model = load_model(settings)

    @contextmanager
    def lock(self, wait: float = 0.0) -> Iterator[None]:
        """Hold the night, so that no other process does the same work. The run starts when the lock is had."""
        with locked(self.report, night_lock_key(self.date), f"the night of {self.date}", wait):
            self._discover()
            yield

    def _discover(self) -> None:
        self.started = dt.datetime.now(dt.UTC)
        self._clock = time.perf_counter()
        self.run_id = new_run_id()
        wanted = self._asked or self.settings.night.lines
        found = discover(self.archive, self.template, (self.date,), wanted or None)
        self.partitions, self.strangers = found.partitions, found.strangers
        self.idle = tuple(sorted(set(wanted) - {partition.line for partition in self.partitions}))
        if self._asked and self.idle:  # a line of the settings may stand still; one that was typed is a mistake
            there = discover(self.archive, self.template, (self.date,)).partitions
            raise ConfigError(
                f"no images of line {', '.join(self.idle)} on {self.date} in {self.archive.uri}; lines of that night: "
                f"{', '.join(str(p.line) for p in there) or 'none'}"
            )

    def plan(self, partition: Partition) -> PartitionPlan:
        """What of a partition is to be done: the units without a report that matches their fingerprint."""
        job = self.job()
        planned = plan_units(
            partition, objects(self.archive, self.template, partition), self.template, self.settings.archive.unit_images
        )
        prefix = REPORTS + folder(partition)
        there = {info.key: info for info in self.report.list(prefix) if info.key.endswith(".parquet")}
        known = read_footers(self.report, (there[key] for unit in planned.units if (key := report_key(unit)) in there))
        todo: list[Unit] = []
        skipped = Counts()
        prints = []
        for unit in planned.units:
            expected = job.fingerprint(unit)
            prints.append(expected)
            footer = known.get(report_key(unit))
            if footer is not None and footer.fingerprint == expected:
                skipped += footer.counts
            else:
                todo.append(unit)
        existing = {key.removeprefix(prefix).removesuffix(".parquet"): key for key in there}
        stale = superseded(existing.keys(), [unit.id for unit in planned.units])
        return PartitionPlan(
            partition,
            tuple(todo),
            len(planned.units) - len(todo),
            skipped,
            tuple(sorted(existing[unit_id] for unit_id in stale)),
            planned.ignored_count,
            planned.ignored_sample,
            tuple(prints),
        )

    def clear(self, plan: PartitionPlan) -> None:
        """Delete the reports whose images other units have taken over, before those are written: a reader may
        find a night incomplete while it runs, but never an image twice."""
        for key in plan.stale:
            self.report.delete(key)

    def job(self) -> Inspection:
        return Inspection(
            self.archive,
            self.report,
            self.template,
            self.settings.limits,
            self.model,
            self.run_id,
            key_of=report_key,
            hive=True,
        )

    def inspect(self, units: Iterable[Unit]) -> Iterator[Done]:
        return inspect(units, self.job())

    def finish(self, plans: list[PartitionPlan], done: list[Done]) -> NightResult:
        """Write the summaries of what changed and, last, the run record. A night in which nothing was to be done
        and whose record is there changes no object."""
        failed_units = tuple(f"{one.unit.id}: {one.error}" for one in done if one.error is not None)
        good = [one for one in done if one.error is None]
        counts = sum((one.counts for one in good), Counts())
        for plan in plans:
            counts += plan.skipped_counts + Counts(ignored=plan.ignored)
        pending = sum(len(plan.todo) for plan in plans) - len(done)
        state = "failed units" if failed_units else "limited" if pending else "complete"
        digest = hashlib.sha256(json.dumps([plan.prints for plan in plans]).encode()).hexdigest()
        nothing_done = not done and not any(plan.stale for plan in plans)
        sound = all(not plan.skipped or is_current(self.report, plan.partition) for plan in plans)
        same = nothing_done and sound and state == "complete"
        record_key, drift = self._record_of(digest) if same else (None, None)
        seconds = time.perf_counter() - self._clock
        judged = sum(one.counts.found for one in good)
        version = self.model.version
        if record_key is None and plans:
            for plan in plans:
                write_summary(self.report, plan.partition)
            write_daily(self.report, [self.date])
            if state == "complete":
                drift = _drift(self.settings, self.report, self.archive, self.date, self.model.engine.digest, version)
            record_key = run_key(self.date, self.run_id)
            record = {
                "run_id": self.run_id,
                "backfill": self.backfill,
                "date": self.date.isoformat(),
                "state": state,
                "night": digest,
                "started_at": self.started.isoformat(),
                "finished_at": dt.datetime.now(dt.UTC).isoformat(),
                "found": counts.found,
                "ok": counts.ok,
                "failed": counts.failed,
                "ignored": counts.ignored,
                "ignored_sample": [name for plan in plans for name in plan.ignored_sample][:20],
                "lines_without_images": list(self.idle),
                "unmatched_folders": list(self.strangers)[:20],
                "units": {
                    "done": len(good),
                    "skipped": sum(plan.skipped for plan in plans),
                    "failed": list(failed_units),
                    "pending": pending,
                },
                "judged": judged,
                "seconds": round(seconds, 3),
                "stage_seconds": dataclasses.asdict(sum((one.seconds for one in done), Seconds())),
                "lines": [plan.partition.line for plan in plans],
                "model": {
                    "digest": self.model.engine.digest,
                    **self.model.spec.model_dump(mode="json"),
                },
                "engine": {
                    "name": self.model.engine.name,
                    "batch_size": self.model.batch_size,
                    "workers": self.model.workers,
                },
                "drift": drift,
                "archive": self.archive.uri,
                "template": self.template.text,
                "steelflow": __version__,
            }
            self.report.put(record_key, json.dumps(record, indent=2).encode())
        return NightResult(
            self.date,
            counts.found,
            counts.ok,
            counts.failed,
            counts.ignored,
            sum(plan.skipped for plan in plans),
            len(good),
            failed_units,
            judged,
            seconds,
            f"{self.report.uri}/{record_key}" if record_key else None,
            state,
            version or self.model.engine.digest[:12],
            drift,
        )

    def _record_of(self, digest: str) -> tuple[str | None, dict[str, Any] | None]:
        """The latest complete run record that stands for exactly these units and this model, and its drift."""
        keys = sorted((info.key for info in self.report.list(f"{RUNS}date={self.date.isoformat()}/")), reverse=True)
        for key in keys:
            try:
                record = json.loads(self.report.get(key))
            except (ObjectNotFound, ValueError):
                continue
            if isinstance(record, dict) and record.get("night") == digest and record.get("state") == "complete":
                return key, record.get("drift")
        return None, None


def check_drift(settings: Settings, date: dt.date) -> dict[str, Any]:
    """Compare a night that was inspected with the reference of the model that inspects now, once more: the drift table
    is written again, and the verdict is as in ``NightResult.drift``.

    Raises:
        ReportError: the night has no reports.
        ConfigError, ModelError, RegistryError, StoreError: as ``Night``.
    """
    report = open_store(settings.report.uri, settings.store, create=True)
    archive = open_store(settings.archive.uri, settings.store)
    model = resolved(settings)
    if date not in ReportReader(report).nights():
        raise ReportError(f"{report.uri}: no reports of {date}; run `steelflow nightly --date {date}` first")
    return _drift(settings, report, archive, date, model.digest, model.version)


def _drift(
    settings: Settings, report: Store, archive: Store, date: dt.date, digest: str, version: str | None
) -> dict[str, Any]:
    """The verdict on a night; where the reference is damaged, the night still gets its record."""
    try:
        reference = brought_by(version, settings)
        found = check_night(report, date, settings.drift, digest, reference)
        write_explanation(report, archive, found, settings.limits, reference)
    except (DriftError, RegistryError) as exc:
        return {"verdict": "insufficient", "reasons": [str(exc)], "lines": [], "signals": [], "model": digest}
    return found.to_dict()


def weight(unit: Unit) -> int:
    """About how many images a unit holds; a shard is not opened for it, but taken at 16 KiB an image."""
    return len(unit.objects) if unit.kind == "loose" else max(1, unit.objects[0].size // _IMAGE_BYTES)


def groups(units: Iterable[Unit], images: int) -> Iterator[tuple[Unit, ...]]:
    """Units in their order, in groups of about ``images`` images: pieces of work for a scheduler, which should get
    hundreds of them and not tens of thousands."""
    group: list[Unit] = []
    held = 0
    for unit in units:
        if group and held + weight(unit) > images:
            yield tuple(group)
            group, held = [], 0
        group.append(unit)
        held += weight(unit)
    if group:
        yield tuple(group)


Progress = Callable[[Done], None]


def inspect_night(
    settings: Settings,
    date: dt.date,
    lines: Iterable[str] = (),
    limit: int | None = None,
    wait: float = 0.0,
    progress: Progress = lambda _: None,
) -> NightResult:
    """Inspect a night in this process, one partition after the other.

    Args:
        lines: only these; all lines of the archive (or of the settings) when empty.
        limit: at most so many units, for a trial.
        wait: seconds to wait for another process that inspects the same night.

    Raises:
        LockHeld: another process still does.
        ConfigError, StoreError, ModelError: nothing, or whole reports only, have been written.
    """
    night = Night(settings, date, lines)
    plans: list[PartitionPlan] = []
    done: list[Done] = []

    def units() -> Iterator[Unit]:
        left = limit
        for partition in night.partitions:
            plan = night.plan(partition)
            night.clear(plan)
            plans.append(plan.light())
            todo = plan.take(left)
            left = None if left is None else max(0, left - len(todo))
            yield from todo

    with night.lock(wait):
        for one in night.inspect(units()):
            done.append(one.light())
            progress(one)
        return night.finish(plans, done)
