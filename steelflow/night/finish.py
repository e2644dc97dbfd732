"""The end of a night: summaries, roll marks and drift are written and, last, the run record."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import polars as pl

from steelflow.inspection.pipeline import Done
from steelflow.night.cameras import unnamed_cameras
from steelflow.night.drift import measure_drift
from steelflow.night.opened import OpenedNight
from steelflow.night.plan import PartitionPlan
from steelflow.night.record import record_of
from steelflow.night.result import NightResult
from steelflow.night.soundness import not_complete
from steelflow.night.tally import Tally
from steelflow.report.daily import write_daily
from steelflow.report.layout import run_key
from steelflow.report.marks import drop_marks, marks_are_current, write_marks
from steelflow.report.model_notes import models_note, replaced_note
from steelflow.report.notes import notes
from steelflow.report.rates import rates
from steelflow.report.reader import ReportReader
from steelflow.report.record import RunRecord
from steelflow.report.regions import RegionReader, orphans
from steelflow.report.runs import next_number, night_record, records_of, run_records
from steelflow.report.severity import graded, severities_of
from steelflow.report.summary import is_current, write_summary
from steelflow.telemetry.traces import span

_WHOLE = ("complete", "incomplete", "empty")  # states of a night whose units are all done
_LATEST = 7  # nights
_log = logging.getLogger(__name__)


def finish(night: OpenedNight, plans: list[PartitionPlan], done: Tally | Iterable[Done]) -> NightResult:
    """Write the summaries and, last, the run record. If nothing was to be done and an equal record exists, no
    object changes.

    Raises:
        ReportError: a unit came back more than once, or was not planned.
    """
    with span("record") as stage:
        result = _recorded(night, plans, done if isinstance(done, Tally) else Tally.of(done))
        stage.set(state=result.state, found=result.found, failed=result.failed)
    night.tracker.end()
    _tell_end(result)
    return result


def _recorded(night: OpenedNight, plans: list[PartitionPlan], done: Tally) -> NightResult:
    record = record_of(night, plans, done)
    known = _equal(night, record) if _is_up_to_date(night, record, plans, done) else None
    key: str | None = None
    told: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    if known is not None:
        key, earlier = known
        before = {"drift": earlier.drift, "roll_marks": earlier.roll_marks, "notes": earlier.notes}
        record = record.model_copy(update=before)
    else:
        key = run_key(night.date, night.run_id)
        record = _summarise(night, record, plans)
        told = () if _noted_before(night) else record.notes
        lacking = () if night.backfill else record.missing
        night.report.put(key, record.to_json())
    summary = _summary(night, record)
    return NightResult.of(
        record,
        run_record=None if key is None else f"{night.report.uri}/{key}",
        model=night.model_name,
        defects=rates(summary),
        new_notes=told,
        new_missing=lacking,
        severities=_severities(night, record, summary),
    )


def _said(record: RunRecord) -> tuple[object, ...]:
    """What a record says of the night, apart from the run."""
    return record.night, record.state, record.missing, record.only


def _severities(night: OpenedNight, record: RunRecord, summary: pl.DataFrame) -> dict[str, int]:
    rules = night.settings.severity
    if not rules or not record.regions:
        return {}
    return severities_of(
        pl.concat(
            graded(RegionReader(night.report).regions([night.date], [line]).collect(), summary, rules)
            for line in record.lines
        ),
        rules,
    )


def _is_up_to_date(night: OpenedNight, record: RunRecord, plans: list[PartitionPlan], done: Tally) -> bool:
    """Whether this run changed no report, and the summaries and roll marks of the reports are there."""
    changed = done.units or any(plan.stale for plan in plans)
    return (
        not changed
        and record.state in _WHOLE
        and all(not plan.skipped or is_current(night.report, plan.partition) for plan in plans)
        and (record.regions is None or all(_marks_are_current(night, plan) for plan in plans))
    )


def _equal(night: OpenedNight, record: RunRecord) -> tuple[str, RunRecord] | None:
    """The latest record of the same reports that says the same of the night, with its key."""
    known = records_of(night.report, night.date)
    said = _said(record)
    return next(((key, one) for key, one in known if _said(one) == said), None)


def _summarise(night: OpenedNight, record: RunRecord, plans: list[PartitionPlan]) -> RunRecord:
    """Write the summaries and, if all units are done, the drift; returns the record with that and the time."""
    for plan in plans:
        write_summary(night.report, plan.partition)
        _drop_old_regions(night, plan)
    write_daily(night.report, [night.date])
    marks = _mark(night, record, plans)
    digest, whole = night.model.engine.digest, sum(record.judged_whole.values())
    told = record.notes + notes(_summary(night, record), night.model.spec, digest, "tonight's images", whole)
    told += models_note(night.report, night.date)
    told += tuple(unnamed_cameras(night.report, [plan.partition for plan in plans], night.settings.frame))
    if record.judged and not (night.backfill or night.asked):
        told += replaced_note(night_record(night.report, night.date), digest)
    drift = None
    if record.state in ("complete", "incomplete"):
        with span("drift") as stage:
            drift = measure_drift(
                night.settings,
                night.report,
                night.archive,
                night.date,
                digest=digest,
                version=night.model.version,
                doubt=not_complete(record) if record.missing else None,
            )
            stage.set(verdict="none" if drift is None else drift.verdict)
    found = {"drift": drift, "roll_marks": marks, "notes": told, "finished_at": night.time.now()}
    return record.model_copy(update={**found, "number": next_number(night.report, night.date)})


def _summary(night: OpenedNight, record: RunRecord) -> pl.DataFrame:
    """The summary of the lines of this run."""
    return ReportReader(night.report).summary([night.date], record.lines)


def _noted_before(night: OpenedNight) -> bool:
    """Whether one of the latest nights, as recorded, has notes on this model."""
    digest = night.model.engine.digest
    return any(one.notes and one.model.digest == digest for one in run_records(night.report, _LATEST, night.date))


def _mark(night: OpenedNight, record: RunRecord, plans: list[PartitionPlan]) -> int | None:
    """Write the roll marks of each line; returns their number, or None if no line has frames."""
    if record.regions is None:
        for plan in plans:
            drop_marks(night.report, plan.partition)
        return None
    return sum(write_marks(night.report, plan.partition, night.settings) for plan in plans)


def _marks_are_current(night: OpenedNight, plan: PartitionPlan) -> bool:
    return not plan.skipped or marks_are_current(night.report, plan.partition, night.settings)


def _drop_old_regions(night: OpenedNight, plan: PartitionPlan) -> None:
    """Delete the files of regions that no report of the line names any more."""
    for key in orphans(night.report, plan.partition, plan.regions):
        night.report.delete(key)


def _tell_end(result: NightResult) -> None:
    figures = {name: getattr(result, name) for name in ("state", "found", "ok", "failed", "judged", "seconds")}
    text = "night of %s: %s; %d found, %d failed, %d judged in %.1f s"
    counts = (result.found, result.failed, result.judged, result.seconds)
    _log.info(text, result.date, result.state, *counts, extra={"figures": figures})
