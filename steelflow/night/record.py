"""The record of a run, made from what was planned and what came back."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict

from steelflow import __version__
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
from steelflow.night.moved import moved
from steelflow.night.opened import OpenedNight
from steelflow.night.plan import PartitionPlan
from steelflow.night.tally import Tally
from steelflow.report.depth import depth_note
from steelflow.report.record import RunEngine, RunModel, RunRecord, RunState, RunUnits
from steelflow.report.unit_notes import Notes, sidecar_problems
from steelflow.report.writer import Counts

_SAMPLE = 20  # names of ignored files and folders in a record


def record_of(night: OpenedNight, plans: list[PartitionPlan], done: Tally) -> RunRecord:
    """The run as it stands when the last unit is done."""
    failed_units = tuple(done.failures)
    counts = done.counts
    for plan in plans:
        counts += plan.skipped_counts + Counts(ignored=plan.ignored)
    pending = done.pending(plans)
    notes = [note for plan in plans for note in plan.skipped_notes] + done.notes
    names = [name for plan in plans for name in plan.ignored_sample] + [name for one in notes for name in one.ignored]
    sidecars = sidecar_problems(notes, whole=not failed_units and not pending)
    missing = _unfinished(night, pending) or _missing(night, plans, done, notes, counts.found)
    whole: RunState = "empty" if not counts.found else "incomplete" if missing else "complete"
    prints = json.dumps([plan.prints for plan in plans]).encode()
    engine = night.model.engine
    return RunRecord(
        run_id=night.run_id,
        backfill=night.backfill,
        date=night.date,
        state="failed units" if failed_units else "limited" if pending or night.stopped else whole,
        night=hashlib.sha256(prints).hexdigest(),
        started_at=night.started,
        found=counts.found,
        ok=counts.ok,
        failed=counts.failed,
        ignored=counts.ignored,
        ignored_sample=tuple(names[:_SAMPLE]),
        sidecar_errors=sidecars.count,
        sidecar_sample=sidecars.sample,
        lines_without_images=night.idle,
        unmatched_folders=tuple(night.strangers[:_SAMPLE]),
        units=RunUnits(
            done=done.good, skipped=sum(plan.skipped for plan in plans), failed=failed_units, pending=pending
        ),
        judged=done.counts.found,
        seconds=round(time.perf_counter() - night.clock, 3),
        stage_seconds=asdict(done.seconds),
        lines=tuple(plan.partition.line for plan in plans),
        model=RunModel(digest=engine.digest, **night.model.spec.model_dump(mode="json")),
        engine=RunEngine(name=engine.name, batch_size=night.model.batch_size, workers=night.model.workers),
        archive=night.archive.uri,
        template=night.template.text,
        steelflow=__version__,
        regions=counts.regions if any(night.job().frame_of(plan.partition.line) for plan in plans) else None,
        judged_whole=dict(done.squeezed),
        notes=(*_depth_notes(plans, done), *filter(None, [night.time.note()])),
        missing=missing,
        only=night.asked,
    )


def _unfinished(night: OpenedNight, pending: int) -> tuple[str, ...]:
    """Why the work ended early. Lines that were not planned yet are not missing for this reason."""
    if night.stopped is None:
        return ()
    left = f"{pending} planned work units" if pending else "some lines"
    return (f"{left} were not inspected: {night.stopped}; run the night again",)


def _missing(
    night: OpenedNight, plans: list[PartitionPlan], done: Tally, notes: list[Notes], found: int
) -> tuple[str, ...]:
    """What the night misses, in sentences."""
    there = {plan.partition.line for plan in plans}
    lines = (
        set(night.asked)
        or set(night.settings.night.lines)
        or usual_lines(night.report, night.date, night.settings.night.recent_nights)
    )
    kept = reported_lines(night.report, night.date) if night.backfill else set()
    told = [] if found else [f"no images of {night.date} in {night.archive.uri}; check whether the archive has them"]
    told += line_problems(_by_line(plans, done), night.settings.night.max_unreadable, lines - there - kept, night.date)
    if not night.backfill:
        partitions = {plan.partition for plan in plans}
        told += moved(night.report, night.archive, night.template, partitions, night.settings.night.recent_nights)
    if not night.backfill and not night.asked:
        told += ghosts(reported_lines(night.report, night.date) - there, night.date)
    told += night.unlisted
    told += [one for plan in plans for one in plan.unlisted]
    told += strange_folders(night.archive, night.strangers[:_SAMPLE], night.date)
    told += [*shard_problems(notes), *refused_objects(notes)]
    told += [misplaced(plan.partition.line, plan.misplaced, plan.misplaced_folders) for plan in plans if plan.misplaced]
    return tuple(told)


def _depth_notes(plans: list[PartitionPlan], done: Tally) -> tuple[str, ...]:
    """The lines whose 16-bit images never use their upper bits."""
    lines = _by_line(plans, done)
    notes = (depth_note("the night" if line is None else f"line {line}", counts) for line, counts in lines.items())
    return tuple(note for note in notes if note is not None)


def _by_line(plans: list[PartitionPlan], done: Tally) -> dict[str | None, Counts]:
    """What the reports of each line hold."""
    lines = {plan.partition.line: plan.skipped_counts for plan in plans}
    for line, own in done.lines.items():
        lines[line] = lines.get(line, Counts()) + own.counts
    return lines
