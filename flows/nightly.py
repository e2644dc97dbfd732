"""The nightly flow: ``steelflow.night`` with Prefect's schedule, retries, logs and artifacts.

One task opens the night, one task plans each line, one task inspects each group of units, and one task records the
night. They run in sequence: the library itself keeps all cores, or the accelerator, busy. A repeated run does the
remaining work.
"""

from __future__ import annotations

import datetime as dt
import functools
import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import prefect.runtime
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import BaseModel, Field

from flows.consequences import follow_up, send_report, tell_missing, tell_notes
from flows.outcome import hooks, settled
from flows.patience import patient
from steelflow.archive.groups import groups
from steelflow.config import Settings, load_settings
from steelflow.errors import SteelflowError
from steelflow.inspection.pipeline import Done
from steelflow.metrics.publish import publish
from steelflow.night.dates import night_of
from steelflow.night.plan import PartitionPlan
from steelflow.night.run import Night, NightResult, conclude, is_whole
from steelflow.night.tally import LineTally, Tally
from steelflow.records import Partition, Unit
from steelflow.report.progress import NightProgress
from steelflow.telemetry.logs import about

_LOCK_WAIT = 12 * 3600.0
_STEP = 5.0  # percent
_SHOWN_FAILURES = 20

_P = ParamSpec("_P")
_R = TypeVar("_R")


class NightParameters(BaseModel):
    """Which night to inspect, and how much of it. Prefect's UI shows a form for these parameters."""

    date: dt.date | None = Field(default=None, description="The night; if empty, the night of the scheduled time.")
    lines: tuple[str, ...] = Field(default=(), description="Only these lines; if empty, those of the settings, or all.")
    limit: int | None = Field(default=None, ge=1, description="Largest number of work units, for a trial.")

    def night(self, scheduled: dt.datetime, zone: ZoneInfo) -> dt.date:
        """The night to inspect. A late or repeated run keeps the night that it was scheduled for."""
        return self.date or night_of(scheduled, zone)


_LAST_NIGHT = NightParameters()


class Group:
    """Units of one line that form one task. Finished units are kept across the task's retries.

    This is not a dataclass: Prefect searches dataclasses, object by object, for the results of other tasks.
    """

    def __init__(self, name: str, units: tuple[Unit, ...]) -> None:
        self.name = name
        self.units = units
        self.done: list[Done] = []

    @property
    def left(self) -> tuple[Unit, ...]:
        done = {one.unit.id for one in self.done}
        return tuple(unit for unit in self.units if unit.id not in done)


class Progress:
    """The progress artifact of a night: the share that is done, with rate and time left."""

    def __init__(self) -> None:
        self._shown = 0.0
        made = create_progress_artifact(0.0, "nightly-progress", "Inspected share of the night, in percent")
        self._id = cast(UUID, made)  # Prefect's type leaves room for a coroutine

    def unit_done(self, now: NightProgress) -> None:
        """Update it in steps of some percent."""
        percent = 100 * now.share
        if percent - self._shown >= _STEP or self._shown < percent == 100:
            update_progress_artifact(self._id, percent, now.text)
            self._shown = percent


_library_seconds: ContextVar[list[float]] = ContextVar("library_seconds")


def _timed(call: Callable[_P, _R]) -> Callable[_P, _R]:
    """Record the time that a task spends in the library. The rest of the flow's time is the cost of Prefect."""

    @functools.wraps(call)
    def timed(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        started = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            _library_seconds.get().append(time.perf_counter() - started)

    return timed


@task(**patient)
@_timed
def open_night(settings: Settings, date: dt.date, lines: tuple[str, ...]) -> Night:
    """Find the lines of the night and load the model."""
    return Night(settings, date, lines)


@task(task_run_name="plan {partition.line}", **patient)
@_timed
def plan_line(night: Night, partition: Partition) -> PartitionPlan:
    """List the images and reports of a line, and plan the work."""
    plan = night.plan(partition)
    night.clear(plan)
    return plan


@task(task_run_name="inspect {group.name}", **patient)
@_timed
def inspect_units(night: Night, group: Group, progress: Progress) -> None:
    """Inspect the remaining units of a group."""
    for done in night.inspect(group.left):
        group.done.append(done.light())
        progress.unit_done(night.tracker.now())


@task(**patient)
@_timed
def record_night(night: Night, plans: list[PartitionPlan], done: Tally) -> NightResult:
    """Write the summaries and the run record."""
    return night.finish(plans, done)


@task(**patient)
@_timed
def conclude_night(night: Night) -> NightResult | None:
    """After a run of some lines that did the last of them: record the night as a whole."""
    return conclude(night)


def _run_name() -> str:
    parameters = NightParameters.model_validate(prefect.runtime.flow_run.parameters["night"])
    try:
        return f"night of {_night(parameters, load_settings())}"
    except SteelflowError:
        return "night"  # the flow reports the error


def _night(parameters: NightParameters, settings: Settings) -> dt.date:
    return parameters.night(prefect.runtime.flow_run.scheduled_start_time, ZoneInfo(settings.night.timezone))


@flow(name="nightly", flow_run_name=_run_name, persist_result=False, **hooks)
def nightly(night: NightParameters = _LAST_NIGHT) -> dict[str, Any] | State[Any]:
    """Inspect the new and changed images of a night. Drift, or enough new labels, start a retraining.

    Returns:
        The ``NightResult`` as a dict, with ``flow_seconds``, and ``library_seconds``: the part of them spent in the
        library; or a failed state that says in one line what to do.
    """
    with _heap_set_aside():
        return settled(lambda settings: _inspect(settings, _night(night, settings), night))


@contextmanager
def _heap_set_aside() -> Iterator[None]:
    """Exclude existing objects from garbage collection. Prefect loads so many that a collection takes a quarter of a
    second, and every thread of the night waits for it."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _inspect(settings: Settings, date: dt.date, parameters: NightParameters) -> dict[str, Any] | State[Any]:
    with about(night=date.isoformat()):
        return _inspect_night(settings, date, parameters)


def _inspect_night(settings: Settings, date: dt.date, parameters: NightParameters) -> dict[str, Any] | State[Any]:
    seconds: list[float] = []
    _library_seconds.set(seconds)
    night = open_night(settings, date, parameters.lines)
    if not night.partitions:
        get_run_logger().warning("No images of %s in %s; check whether the archive has them", date, night.archive.uri)
    plans: list[PartitionPlan] = []
    done = Tally()
    left = parameters.limit
    with night.lock(_LOCK_WAIT):
        night.refuse_mixture(parameters.limit)
        started, seconds[:] = time.perf_counter(), []
        progress = Progress()
        for partition in night.partitions:
            plan = plan_line(night, partition)
            plans.append(plan.light())
            todo = plan.take(left)
            left = None if left is None else max(0, left - len(todo))
            night.tracker.expect(todo)
            # A cluster divides the work by itself; it would wait for the last unit of each group.
            pieces = [todo] if night.executor.spread else list(groups(todo, settings.night.group_images))
            for number, units in enumerate(pieces, 1):
                group = Group(f"{partition.line} {number}/{len(pieces)}", units)
                inspect_units(night, group, progress)
                for one in group.done:
                    done.add(one)
            progress.unit_done(night.tracker.now())  # a line can have nothing to do
        result = record_night(night, plans, done)
        told = (conclude_night(night) if parameters.lines else None) or result
    create_markdown_artifact(summary(result, plans, done), "nightly-summary", f"Night of {date}")
    recorded = {
        **result.to_dict(),
        "flow_seconds": round(time.perf_counter() - started, 3),
        "library_seconds": round(sum(seconds), 3),
    }
    _tell(settings, date, told, whole=is_whole(settings, date, parameters.lines), judged=result.done_units > 0)
    publish(settings)
    if result.failed_units:
        return Failed(
            message=f"night of {date}: {len(result.failed_units)} work units failed, the others are done; "
            f"run the night again; first: {result.failed_units[0]}"
        )
    if result.state == "limited" and parameters.limit is None:  # no node of the cluster was left
        return Failed(message=f"night of {date}: {'; '.join(result.missing)}")
    if result.missing:
        message = f"night of {date}: {result.state}: {'; '.join(result.missing)}"
        return Completed(name=result.state.capitalize(), message=message, data=recorded)
    return recorded


def _tell(settings: Settings, date: dt.date, result: NightResult, *, whole: bool, judged: bool) -> None:
    """Tell people about the night. The run that does its last line tells what concerns all of them."""
    tell_missing(settings, date, result.state, result.new_missing)
    tell_notes(settings, date, result.new_notes, result.model)
    if whole:
        follow_up(settings, date, result.drift)
        if judged or result.new_missing:
            send_report(settings, date)
    else:
        get_run_logger().info("Other lines of the night are left to do; its alarm and its report follow then")


def summary(result: NightResult, plans: Iterable[PartitionPlan], done: Tally) -> str:
    """A night in Markdown, for the run's page in the UI."""
    rows = []
    for plan in plans:
        own = done.lines.get(plan.partition.line, LineTally())
        counts = own.counts + plan.skipped_counts
        line = (plan.partition.line, counts.found, counts.ok, counts.failed)
        rows.append("| " + " | ".join(map(_cell, (*line, own.good, plan.skipped, own.failed))) + " |")
    speed = f"{result.judged / result.seconds:,.0f} images/s" if result.judged else "nothing to do"
    parts = [
        f"## Night of {result.date}: {result.state}",
        f"**{result.found:,}** images found = **{result.ok:,}** ok + **{result.failed:,}** failed; "
        f"{result.judged:,} judged in {result.seconds:,.1f} s ({speed}); {result.ignored:,} other files ignored",
        "| line | found | ok | failed | units done | up to date | units failed |\n|---|--:|--:|--:|--:|--:|--:|\n"
        + "\n".join(rows),
        f"Run record: `{result.run_record or 'none: the archive has no images of that night'}`",
    ]
    parts += [result.defects.text[:1].upper() + result.defects.text[1:]] if result.defects.text else []
    parts += [f"**Missing:** {_cell(one)}" for one in result.missing]
    parts += [f"**Note:** {_cell(note)}" for note in result.notes]
    if result.failed_units:
        shown = result.failed_units[:_SHOWN_FAILURES]
        more = len(result.failed_units) - len(shown)
        parts.append("### Failed units\n" + "\n".join(f"- {_cell(failure)}" for failure in shown))
        parts += [f"and {more} more; the run record has all of them"] if more else []
    return "\n\n".join(parts)


def _cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
