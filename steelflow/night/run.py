"""A night: every line of one date, planned, inspected and recorded. What is up to date is not done again.

night = Night(...)                        the images of the date, and the model
plan = night.plan(partition)              which work units of a line are to be inspected
night.inspect(plan.todo)                  inspect them, here or in pieces
night.finish(plans, done)                 write the summaries and, last, the run record
"""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from steelflow import __version__
from steelflow.archive.discovery import discover
from steelflow.archive.template import KeyTemplate
from steelflow.config import Settings
from steelflow.errors import ClusterError, ConfigError, ReportError
from steelflow.executor import open_executor
from steelflow.inspection.pipeline import Done, Inspection, Model, Seconds, load_model, new_run_id
from steelflow.night.coverage import (
    ghosts,
    line_problems,
    misplaced,
    refused_objects,
    reported_lines,
    shard_problems,
    strange_folders,
    usual_lines,
)
from steelflow.night.drift import measure_drift
from steelflow.night.moved import moved
from steelflow.night.plan import PartitionPlan, plan_partition
from steelflow.night.progress import Tracker
from steelflow.night.soundness import not_complete
from steelflow.records import Partition, Unit
from steelflow.report.daily import write_daily
from steelflow.report.depth import depth_note
from steelflow.report.layout import night_lock_key, report_key, run_key
from steelflow.report.marks import drop_marks, marks_are_current, write_marks
from steelflow.report.model_notes import models_note, replaced_note
from steelflow.report.notes import notes
from steelflow.report.progress import NightProgress
from steelflow.report.rates import Rates, rates
from steelflow.report.reader import ReportReader
from steelflow.report.record import NightDrift, RunEngine, RunModel, RunRecord, RunState, RunUnits
from steelflow.report.regions import RegionReader, orphans
from steelflow.report.runs import next_number, night_record, records_of, run_records
from steelflow.report.severity import graded, severities_of
from steelflow.report.summary import is_current, write_summary
from steelflow.report.unit_notes import Notes, sidecar_problems
from steelflow.report.writer import Counts
from steelflow.store import Store, open_store
from steelflow.store.clock import StoreClock
from steelflow.store.lock import locked
from steelflow.telemetry.logs import about
from steelflow.telemetry.traces import span

_WHOLE = ("complete", "incomplete", "empty")  # states of a night whose units are all done
_LATEST = 7  # nights
_SAMPLE = 20  # names of ignored files and folders in a record
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NightResult:
    """The state of a night: counts over all its images, whether they were judged now or before.

    ``failed_units`` are to be run again. ``run_record`` is the address of the record, None if there is none. ``model``
    is the version in the registry, or the beginning of the digest of a model that is not from there. ``drift`` is None
    for a night that is empty, limited, or has failed units. ``missing`` is as in ``RunRecord``; ``new_missing`` is the
    same if this run recorded it. ``defects`` are the rates over all its images. ``regions``, ``roll_marks``,
    ``judged_whole`` and ``notes`` are as in ``RunRecord``; ``new_notes`` are those that no record of this model has on
    the nights before. ``severities`` counts the regions by the rules of the settings, the most severe first.
    """

    date: dt.date
    found: int
    ok: int
    failed: int
    ignored: int
    ignored_sample: tuple[str, ...]
    sidecar_errors: int
    sidecar_sample: tuple[str, ...]
    skipped_units: int
    done_units: int
    failed_units: tuple[str, ...]
    judged: int
    seconds: float
    run_record: str | None
    state: RunState
    model: str
    drift: NightDrift | None
    defects: Rates
    regions: int | None = None
    roll_marks: int | None = None
    judged_whole: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    new_notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    new_missing: tuple[str, ...] = ()
    severities: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        record: RunRecord,
        *,
        run_record: str | None,
        model: str,
        defects: Rates,
        new_notes: tuple[str, ...] = (),
        new_missing: tuple[str, ...] = (),
        severities: Mapping[str, int] | None = None,
    ) -> NightResult:
        return cls(
            date=record.date,
            found=record.found,
            ok=record.ok,
            failed=record.failed,
            ignored=record.ignored,
            ignored_sample=record.ignored_sample,
            sidecar_errors=record.sidecar_errors,
            sidecar_sample=record.sidecar_sample,
            skipped_units=record.units.skipped,
            done_units=record.units.done,
            failed_units=record.units.failed,
            judged=record.judged,
            seconds=record.seconds,
            run_record=run_record,
            state=record.state,
            model=model,
            drift=record.drift,
            defects=defects,
            regions=record.regions,
            roll_marks=record.roll_marks,
            judged_whole=record.judged_whole,
            notes=record.notes,
            new_notes=new_notes,
            missing=record.missing,
            new_missing=new_missing,
            severities=severities or {},
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        drift = None if self.drift is None else self.drift.to_dict()
        return {**fields, "date": self.date.isoformat(), "drift": drift, "defects": self.defects.to_dict()}


class Night:
    """One date of an archive, to be inspected with one model.

    Args:
        lines: only these lines; when empty, those of the settings, or all.
        backfill: the name of the backfill that the night is part of.

    Raises:
        ConfigError, StoreError, ModelError: nothing has been written.
    """

    def __init__(
        self, settings: Settings, date: dt.date, lines: Iterable[str] = (), backfill: str | None = None
    ) -> None:
        self.date = date
        self.backfill = backfill
        self.settings = settings
        self.template = KeyTemplate(settings.archive.template, settings.night.timezone)
        self.archive: Store = open_store(settings.archive.uri, settings.store)
        self.report: Store = open_store(settings.report.uri, settings.store, create=True)
        self.time = StoreClock(self.report)
        self.asked = tuple(lines)
        self._discover()
        self.model: Model = load_model(settings)
        self.executor = open_executor(settings)
        self.tracker = Tracker(self.report, date)
        self._stopped: str | None = None

    @contextmanager
    def lock(self, wait: float = 0.0) -> Iterator[None]:
        """Keep other processes from the same work. The archive is listed again, and the clock starts, once the lock is
        acquired. Raises ``LockHeld`` after ``wait`` seconds."""
        with locked(self.report, night_lock_key(self.date), f"the night of {self.date}", wait):
            self._discover()
            self.started = self.time.now()
            self.tracker.begin(self.run_id, len(self.partitions))
            run, night = self.run_id, self.date.isoformat()
            with about(run_id=run, night=night), span("night", run_id=run, night=night), self.executor:
                lines = ", ".join(str(partition.line) for partition in self.partitions) or "none"
                _log.info("night of %s: begins; lines: %s; model %s", self.date, lines, self._model_name)
                yield

    def _discover(self) -> None:
        self.started = dt.datetime.now(dt.UTC)
        self._clock = time.perf_counter()
        self.run_id = new_run_id()
        wanted = self.asked or self.settings.night.lines
        found = discover(self.archive, self.template, (self.date,), wanted or None)
        self.partitions, self.strangers, self.unlisted = found.partitions, found.strangers, found.unlisted
        self.idle = tuple(sorted(set(wanted) - {partition.line for partition in self.partitions}))
        if self.asked and self.idle:  # a line of the settings may stand still; one that was typed is a mistake
            there = discover(self.archive, self.template, (self.date,)).partitions
            raise ConfigError(
                f"no images of line {', '.join(self.idle)} on {self.date} in {self.archive.uri}; lines of that night: "
                f"{', '.join(str(p.line) for p in there) or 'none'}"
            )

    def of_all_lines(self) -> Night:
        """The same night with all its lines, and this model. The caller holds the lock."""
        whole = copy.copy(self)
        whole.asked = ()
        whole._discover()
        whole.started = whole.time.now()
        return whole

    def refuse_mixture(self, limit: int | None) -> None:
        """Raises ``ConfigError`` if a limited run would leave reports of two models in the night. A run of some lines
        may do so, because lines can run one after the other: then the record has a note."""
        latest = next(records_of(self.report, self.date), None) if limit is not None else None
        if latest is None or latest[1].model.digest in ("", self.model.engine.digest) or not latest[1].found:
            return
        raise ConfigError(
            f"the night of {self.date} was inspected by {latest[1].model.name} {latest[1].model.digest[:12]}: with a "
            "limit it would have rows of two models; run it without --limit, or with that model"
        )

    def plan(self, partition: Partition) -> PartitionPlan:
        """What is to be done of a partition, see ``plan_partition``."""
        with span("plan", line=partition.line) as stage:
            plan = plan_partition(self.job(), partition, self.settings.archive.unit_images)
            stage.set(units=len(plan.todo), skipped=plan.skipped)
        told = "line %s: %d units to inspect, %d up to date"
        _log.info(told, partition.line, len(plan.todo), plan.skipped, extra={"line": partition.line})
        return plan

    def clear(self, plan: PartitionPlan) -> None:
        """Delete the reports whose images now belong to other units. This comes before those units are written, so a
        reader can find a night incomplete while it runs, but never an image twice."""
        for key in plan.stale:
            self.report.delete(key)

    def job(self) -> Inspection:
        return Inspection(
            archive=self.archive,
            report=self.report,
            template=self.template,
            limits=self.settings.limits,
            model=self.model,
            run_id=self.run_id,
            key_of=report_key,
            hive=True,
            frame=self.settings.frame,
            severity=self.settings.severity,
        )

    def inspect(self, units: Iterable[Unit]) -> Iterator[Done]:
        """Inspect units. If no node of a cluster is left, it ends early, and the night is ``limited``."""
        spent = Seconds()
        with span("inspect", current=False) as stage:
            try:
                for one in self.executor.inspect(units, self.job()):
                    spent += one.seconds
                    self.tracker.done(one)
                    _tell(one)
                    yield one
            except ClusterError as exc:
                self._stopped = str(exc)
                _log.info("night of %s: stopped", self.date, extra={"figures": {"error": str(exc)}})
            finally:
                stage.set(images=self.tracker.now().images, **{f"{k}_seconds": v for k, v in asdict(spent).items()})

    def finish(self, plans: list[PartitionPlan], done: list[Done]) -> NightResult:
        """Write the summaries and, last, the run record. If nothing was to be done and an equal record exists, no
        object changes."""
        with span("record") as stage:
            result = self._finish(plans, done)
            stage.set(state=result.state, found=result.found, failed=result.failed)
        self.tracker.end()
        _tell_end(result)
        return result

    def _finish(self, plans: list[PartitionPlan], done: list[Done]) -> NightResult:
        record = self._record(plans, done)
        known = self._equal(record) if self._is_up_to_date(record, plans, done) else None
        key: str | None = None
        told: tuple[str, ...] = ()
        lacking: tuple[str, ...] = ()
        if known is not None:
            key, earlier = known
            before = {"drift": earlier.drift, "roll_marks": earlier.roll_marks, "notes": earlier.notes}
            record = record.model_copy(update=before)
        else:
            key = run_key(self.date, self.run_id)
            record = self._summarise(record, plans)
            told = () if self._noted_before() else record.notes
            lacking = () if self.backfill else record.missing
            self.report.put(key, record.to_json())
        summary = self._summary(record)
        return NightResult.of(
            record,
            run_record=None if key is None else f"{self.report.uri}/{key}",
            model=self._model_name,
            defects=rates(summary),
            new_notes=told,
            new_missing=lacking,
            severities=self._severities(record, summary),
        )

    @property
    def _model_name(self) -> str:
        return self.model.version or self.model.engine.digest[:12]

    def _severities(self, record: RunRecord, summary: pl.DataFrame) -> dict[str, int]:
        rules = self.settings.severity
        if not rules or not record.regions:
            return {}
        return severities_of(
            pl.concat(
                graded(RegionReader(self.report).regions([self.date], [line]).collect(), summary, rules)
                for line in record.lines
            ),
            rules,
        )

    def _record(self, plans: list[PartitionPlan], done: list[Done]) -> RunRecord:
        """The run as it stands when the last unit is done."""
        failed_units = tuple(f"{_named(one.unit)}: {one.error}" for one in done if one.error is not None)
        good = [one for one in done if one.error is None]
        counts = sum((one.counts for one in good), Counts())
        for plan in plans:
            counts += plan.skipped_counts + Counts(ignored=plan.ignored)
        pending = _pending(plans, done)
        notes = [note for plan in plans for note in plan.skipped_notes] + [one.notes for one in good]
        names = [name for plan in plans for name in plan.ignored_sample] + [
            name for one in notes for name in one.ignored
        ]
        sidecars = sidecar_problems(notes, whole=not failed_units and not pending)
        missing = self._unfinished(pending) or self._missing(plans, good, notes, counts.found)
        whole: RunState = "empty" if not counts.found else "incomplete" if missing else "complete"
        prints = json.dumps([plan.prints for plan in plans]).encode()
        engine = self.model.engine
        return RunRecord(
            run_id=self.run_id,
            backfill=self.backfill,
            date=self.date,
            state="failed units" if failed_units else "limited" if pending or self._stopped else whole,
            night=hashlib.sha256(prints).hexdigest(),
            started_at=self.started,
            found=counts.found,
            ok=counts.ok,
            failed=counts.failed,
            ignored=counts.ignored,
            ignored_sample=tuple(names[:_SAMPLE]),
            sidecar_errors=sidecars.count,
            sidecar_sample=sidecars.sample,
            lines_without_images=self.idle,
            unmatched_folders=tuple(self.strangers[:_SAMPLE]),
            units=RunUnits(
                done=len(good), skipped=sum(plan.skipped for plan in plans), failed=failed_units, pending=pending
            ),
            judged=sum(one.counts.found for one in good),
            seconds=round(time.perf_counter() - self._clock, 3),
            stage_seconds=asdict(sum((one.seconds for one in done), Seconds())),
            lines=tuple(plan.partition.line for plan in plans),
            model=RunModel(digest=engine.digest, **self.model.spec.model_dump(mode="json")),
            engine=RunEngine(name=engine.name, batch_size=self.model.batch_size, workers=self.model.workers),
            archive=self.archive.uri,
            template=self.template.text,
            steelflow=__version__,
            regions=counts.regions if any(self.job().frame_of(plan.partition.line) for plan in plans) else None,
            judged_whole=dict(sum((Counter(one.squeezed) for one in done), Counter())),
            notes=(*_depth_notes(plans, good), *filter(None, [self.time.note()])),
            missing=missing,
            only=self.asked,
        )

    def _unfinished(self, pending: int) -> tuple[str, ...]:
        """Why the work ended early. Lines that were not planned yet are not missing for this reason."""
        if self._stopped is None:
            return ()
        left = f"{pending} planned work units" if pending else "some lines"
        return (f"{left} were not inspected: {self._stopped}; run the night again",)

    def _missing(self, plans: list[PartitionPlan], done: list[Done], notes: list[Notes], found: int) -> tuple[str, ...]:
        """What the night misses, in sentences."""
        there = {plan.partition.line for plan in plans}
        lines = set(self.asked) or set(self.settings.night.lines) or self._usual()
        kept = reported_lines(self.report, self.date) if self.backfill else set()
        told = [] if found else [f"no images of {self.date} in {self.archive.uri}; check whether the archive has them"]
        told += line_problems(
            _by_line(plans, done), self.settings.night.max_unreadable, lines - there - kept, self.date
        )
        if not self.backfill:
            partitions = {plan.partition for plan in plans}
            told += moved(self.report, self.archive, self.template, partitions, self.settings.night.recent_nights)
        if not self.backfill and not self.asked:
            told += ghosts(reported_lines(self.report, self.date) - there, self.date)
        told += self.unlisted
        told += [one for plan in plans for one in plan.unlisted]
        told += strange_folders(self.archive, self.strangers[:_SAMPLE], self.date)
        told += [*shard_problems(notes), *refused_objects(notes)]
        told += [
            misplaced(plan.partition.line, plan.misplaced, plan.misplaced_folders) for plan in plans if plan.misplaced
        ]
        return tuple(told)

    def _usual(self) -> set[str]:
        return usual_lines(self.report, self.date, self.settings.night.recent_nights)

    def _is_up_to_date(self, record: RunRecord, plans: list[PartitionPlan], done: list[Done]) -> bool:
        """Whether this run changed no report, and the summaries and roll marks of the reports are there."""
        changed = done or any(plan.stale for plan in plans)
        return (
            not changed
            and record.state in _WHOLE
            and all(not plan.skipped or is_current(self.report, plan.partition) for plan in plans)
            and (record.regions is None or all(self._marks_are_current(plan) for plan in plans))
        )

    def _equal(self, record: RunRecord) -> tuple[str, RunRecord] | None:
        """The latest record of the same reports that says the same of the night, with its key."""
        known = records_of(self.report, self.date)
        said = _said(record)
        return next(((key, one) for key, one in known if _said(one) == said), None)

    def _summarise(self, record: RunRecord, plans: list[PartitionPlan]) -> RunRecord:
        """Write the summaries and, if all units are done, the drift; returns the record with that and the time."""
        for plan in plans:
            write_summary(self.report, plan.partition)
            self._drop_old_regions(plan)
        write_daily(self.report, [self.date])
        marks = self._mark(record, plans)
        digest, whole = self.model.engine.digest, sum(record.judged_whole.values())
        told = record.notes + notes(self._summary(record), self.model.spec, digest, "tonight's images", whole)
        told += models_note(self.report, self.date)
        if record.judged and not (self.backfill or self.asked):
            told += replaced_note(night_record(self.report, self.date), digest)
        drift = None
        if record.state in ("complete", "incomplete"):
            with span("drift") as stage:
                drift = measure_drift(
                    self.settings,
                    self.report,
                    self.archive,
                    self.date,
                    digest=digest,
                    version=self.model.version,
                    doubt=not_complete(record) if record.missing else None,
                )
                stage.set(verdict="none" if drift is None else drift.verdict)
        found = {"drift": drift, "roll_marks": marks, "notes": told, "finished_at": self.time.now()}
        return record.model_copy(update={**found, "number": next_number(self.report, self.date)})

    def _summary(self, record: RunRecord) -> pl.DataFrame:
        """The summary of the lines of this run."""
        return ReportReader(self.report).summary([self.date], record.lines)

    def _noted_before(self) -> bool:
        """Whether one of the latest nights, as recorded, has notes on this model."""
        digest = self.model.engine.digest
        return any(one.notes and one.model.digest == digest for one in run_records(self.report, _LATEST, self.date))

    def _mark(self, record: RunRecord, plans: list[PartitionPlan]) -> int | None:
        """Write the roll marks of each line; returns their number, or None if no line has frames."""
        if record.regions is None:
            for plan in plans:
                drop_marks(self.report, plan.partition)
            return None
        return sum(write_marks(self.report, plan.partition, self.settings) for plan in plans)

    def _marks_are_current(self, plan: PartitionPlan) -> bool:
        return not plan.skipped or marks_are_current(self.report, plan.partition, self.settings)

    def _drop_old_regions(self, plan: PartitionPlan) -> None:
        """Delete the files of regions that no report of the line names any more."""
        for key in orphans(self.report, plan.partition, plan.regions):
            self.report.delete(key)


def _pending(plans: list[PartitionPlan], done: list[Done]) -> int:
    """How many planned units did not come back. Raises ``ReportError`` if one came back twice, or was not planned."""
    planned = {(plan.partition, unit.id) for plan in plans for unit in plan.todo}
    back = Counter((one.unit.partition, one.unit.id) for one in done)
    if wrong := [_named(one.unit) for one in done if back[one.unit.partition, one.unit.id] > 1] + [
        _named(one.unit) for one in done if (one.unit.partition, one.unit.id) not in planned
    ]:
        raise ReportError(f"work unit {wrong[0]}: came back more than once, or was not planned; report this as a fault")
    return len(planned) - len(back)


def _tell_end(result: NightResult) -> None:
    figures = {name: getattr(result, name) for name in ("state", "found", "ok", "failed", "judged", "seconds")}
    text = "night of %s: %s; %d found, %d failed, %d judged in %.1f s"
    counts = (result.found, result.failed, result.judged, result.seconds)
    _log.info(text, result.date, result.state, *counts, extra={"figures": figures})


def _tell(one: Done) -> None:
    """Log a unit. One that failed is no warning: the command and the flow tell of it at the end."""
    extra: dict[str, Any] = {"line": one.unit.partition.line}
    if one.error is None:
        _log.info("unit %s: %d images, %d failed", _named(one.unit), one.counts.found, one.counts.failed, extra=extra)
    else:
        _log.info("unit %s: failed", _named(one.unit), extra=extra | {"figures": {"error": one.error}})


def _named(unit: Unit) -> str:
    """A unit among those of all lines."""
    return unit.id if unit.partition.line is None else f"{unit.partition.line}/{unit.id}"


def _depth_notes(plans: list[PartitionPlan], done: list[Done]) -> tuple[str, ...]:
    """The lines whose 16-bit images never use their upper bits."""
    lines = _by_line(plans, done)
    notes = (depth_note("the night" if line is None else f"line {line}", counts) for line, counts in lines.items())
    return tuple(note for note in notes if note is not None)


def _by_line(plans: list[PartitionPlan], done: list[Done]) -> dict[str | None, Counts]:
    """What the reports of each line hold."""
    lines = {plan.partition.line: plan.skipped_counts for plan in plans}
    for one in done:
        lines[one.unit.partition.line] = lines.get(one.unit.partition.line, Counts()) + one.counts
    return lines


def _said(record: RunRecord) -> tuple[object, ...]:
    """What a record says of the night, apart from the run."""
    return record.night, record.state, record.missing, record.only


def conclude(night: Night) -> NightResult | None:
    """After a run of some lines: if it did the last of them, record the night as a whole. The caller holds the lock.

    Returns:
        The result of the night as a whole. None if this was a run of all lines, if other lines are left to do, or if
        the night has its record. A record without a line whose images came later does not count.
    """
    if not night.asked:
        return None
    whole, known = night.of_all_lines(), night_record(night.report, night.date)
    if known is not None and {partition.line for partition in whole.partitions} <= set(known.lines):
        return None
    plans: list[PartitionPlan] = []
    for partition in whole.partitions:
        plan = whole.plan(partition)
        if plan.todo or plan.stale:
            return None
        plans.append(plan.light())
    return whole.finish(plans, [])


def is_whole(settings: Settings, date: dt.date, lines: Collection[str]) -> bool:
    """Whether a run of these lines speaks for the night: it was one of all lines, or the night has its record."""
    return not lines or night_record(open_store(settings.report.uri, settings.store), date) is not None


Progress = Callable[[Done], None]


def inspect_night(
    settings: Settings,
    date: dt.date,
    lines: Iterable[str] = (),
    limit: int | None = None,
    wait: float = 0.0,
    progress: Progress = lambda _: None,
    follow: Callable[[NightProgress], None] = lambda _: None,
) -> NightResult:
    """Inspect a night in this process, one partition after the other.

    Args:
        lines: only these; when empty, those of the settings, or all. The run that does the last line of a night also
            writes the record of the night.
        limit: at most this many units, for a trial.
        wait: seconds to wait for another process that inspects the same night.
        progress: called with each unit that is done.
        follow: called after each unit with how far the night is.

    Raises:
        LockHeld: another process still inspects it.
        ConfigError, StoreError, ModelError: what has been written are whole reports, if anything.
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
            night.tracker.expect(todo)
            yield from todo

    with night.lock(wait):
        night.refuse_mixture(limit)
        for one in night.inspect(units()):
            done.append(one.light())
            progress(one)
            follow(night.tracker.now())
        result = night.finish(plans, done)
        conclude(night)
        return result
