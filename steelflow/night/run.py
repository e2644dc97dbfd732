"""A night: every line of one date, planned, inspected and recorded. What is up to date is not done again.

night = Night(...)                        the images of the date, and the model
plan = night.plan(partition)              which work units of a line are to be inspected
night.inspect(plan.todo)                  inspect them, here or in pieces
night.finish(plans, done)                 write the summaries and, last, the run record
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator

from steelflow.config import Settings
from steelflow.inspection.pipeline import Done
from steelflow.night.finish import finish
from steelflow.night.opened import OpenedNight
from steelflow.night.plan import PartitionPlan
from steelflow.night.result import NightResult
from steelflow.night.tally import Tally
from steelflow.records import Unit
from steelflow.report.progress import NightProgress
from steelflow.report.runs import night_record
from steelflow.store import open_store

__all__ = ["Night", "NightResult", "Progress", "conclude", "inspect_night", "is_whole"]

Progress = Callable[[Done], None]


class Night(OpenedNight):
    """One date of an archive, to be inspected with one model and recorded; opened as ``OpenedNight`` says."""

    def finish(self, plans: list[PartitionPlan], done: Tally | Iterable[Done]) -> NightResult:
        """Write the summaries and, last, the run record, see ``night.finish``."""
        return finish(self, plans, done)


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
    done = Tally()

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
            done.add(one)
            progress(one)
            follow(night.tracker.now())
        result = night.finish(plans, done)
        conclude(night)
        return result


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
