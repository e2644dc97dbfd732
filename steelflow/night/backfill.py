"""Inspects past nights again with the current model: after a promotion, or for an archive older than steelflow.

    for date in nights(settings, first, last):       oldest first
        inspect_again(settings, date)                what is up to date stays, so a backfill can be resumed

The run records of its nights name the backfill; its total time is the sum over these records.

A report mirrors its archive, and images expire there. If images of a line are no longer in the archive, the line keeps
its report for that night, and the result says so: a backfill loses no row.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from steelflow.archive.discovery import discover
from steelflow.archive.template import KeyTemplate
from steelflow.config import CHAMPION, Settings
from steelflow.errors import ClusterError, ConfigError, ObjectNotFound
from steelflow.inspection.pipeline import new_run_id
from steelflow.night.plan import PartitionPlan
from steelflow.night.run import Night, NightResult, Progress
from steelflow.night.tally import Tally
from steelflow.records import Unit
from steelflow.registry import resolved
from steelflow.report.layout import REPORTS, parse_folder, report_key
from steelflow.report.reader import ReportReader
from steelflow.store import Store, open_store


@dataclass(frozen=True, slots=True)
class Again:
    """A night of a backfill. ``result`` is for the lines that were inspected, None if there were none. ``kept`` says
    for each of the other lines why its report stays."""

    date: dt.date
    result: NightResult | None
    kept: tuple[str, ...]

    @property
    def text(self) -> str:
        """The night in one line."""
        parts = list(self.kept)
        if self.result is not None:
            parts.insert(0, f"{self.result.found:,} images, {self.result.judged:,} of them judged now")
            if self.result.failed_units:
                parts.append(f"{len(self.result.failed_units)} units failed; first: {self.result.failed_units[0]}")
        return f"{self.date}: {'; '.join(parts)}"

    def to_dict(self) -> dict[str, Any]:
        result = None if self.result is None else self.result.to_dict()
        return {"date": self.date.isoformat(), "result": result, "kept": list(self.kept)}


@dataclass(frozen=True, slots=True)
class Backfilled:
    """All nights of a backfill, oldest first. Run nights with ``failed_units`` again."""

    model: str
    nights: tuple[Again, ...]

    @property
    def judged(self) -> int:
        return sum(night.result.judged for night in self.nights if night.result is not None)

    @property
    def kept(self) -> int:
        return sum(bool(night.kept) for night in self.nights)

    @property
    def failed_units(self) -> tuple[str, ...]:
        results = [night.result for night in self.nights if night.result is not None]
        return tuple(f"{result.date} {unit}" for result in results for unit in result.failed_units)

    @property
    def text(self) -> str:
        kept = f"; {self.kept} of them keep reports whose images are no longer in the archive" if self.kept else ""
        return f"{len(self.nights)} nights, {self.judged:,} images judged by {self.model}{kept}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "judged": self.judged,
            "failed_units": list(self.failed_units),
            "nights": [night.to_dict() for night in self.nights],
        }


def pinned(settings: Settings) -> Settings:
    """The settings with the name of the current champion, so that a promotion in the middle changes nothing.

    Raises:
        ModelError, RegistryError, StoreError: as ``registry.resolved``.
    """
    if settings.model.ref != CHAMPION:
        return settings
    path, version = resolved(settings)
    return settings.model_copy(update={"model": settings.model.model_copy(update={"ref": version or str(path)})})


def nights(settings: Settings, first: dt.date, last: dt.date, lines: Iterable[str] = ()) -> list[dt.date]:
    """The dates from ``first`` to ``last``, both included, that have images or reports of these lines, ascending.

    Raises:
        ConfigError: the range is empty, or a line has neither images nor reports.
        StoreError: images or reports cannot be listed.
    """
    if first > last:
        raise ConfigError(f"{first} to {last}: ends before it begins; give the earlier night first")
    archive, report, template = _places(settings)
    if "date" not in template.fields:
        raise ConfigError(f"archive.template {template.text!r}: has no {{date}}, so there are no nights to run again")
    wanted = set(lines)
    there = {(one.date, one.line) for one in discover(archive, template, lines=wanted or None).partitions}
    for date in ReportReader(report).nights():
        there |= {(date, line) for line in _reported(report, date) if not wanted or line in wanted}
    if unknown := wanted - {line for _, line in there}:
        raise ConfigError(f"no images and no reports of line {', '.join(sorted(unknown))} in {archive.uri}")
    return sorted({date for date, _ in there if date is not None and first <= date <= last})


def inspect_again(
    settings: Settings,
    date: dt.date,
    lines: Iterable[str] = (),
    wait: float = 0.0,
    progress: Progress = lambda _: None,
    name: str | None = None,
) -> Again:
    """Inspect a night as ``inspect_night`` does, except for lines whose images are no longer all in the archive.

    Args:
        lines: only these; when empty, those of the settings, or all.
        wait: seconds to wait for another process that inspects the same night.
        name: of the backfill that the night is part of.

    Raises:
        LockHeld: another process still inspects it.
        ConfigError, StoreError, ModelError: what has been written are whole reports, if anything.
    """
    archive, report, template = _places(settings)
    wanted = tuple(lines) or settings.night.lines
    there = {one.line for one in discover(archive, template, (date,), wanted or None).partitions}
    reported = {line for line in _reported(report, date) if not wanted or line in wanted}
    kept = [f"{line}: no images left in the archive, its report stays" for line in sorted(reported - there, key=str)]
    if not there:
        return Again(date, None, tuple(kept))
    night = Night(settings, date, [line for line in lines if line in there], name)
    plans: list[PartitionPlan] = []
    done = Tally()

    def units() -> Iterator[Unit]:
        for partition in night.partitions:
            plan = night.plan(partition)
            if gone := _gone(report, plan):
                night.tracker.expect(())
                kept.append(
                    f"{partition.line}: {gone:,} objects of its report are no longer in the archive, the report stays"
                )
                continue
            night.clear(plan)
            plans.append(plan.light())
            night.tracker.expect(plan.todo)
            yield from plan.todo

    with night.lock(wait):
        for one in night.inspect(units()):
            done.add(one)
            progress(one)
        result = night.finish(plans, done) if plans else None
    return Again(date, result, tuple(kept))


def backfill(
    settings: Settings,
    first: dt.date,
    last: dt.date,
    lines: Iterable[str] = (),
    wait: float = 0.0,
    tell: Callable[[Again], None] = lambda _: None,
    progress: Progress = lambda _: None,
) -> Backfilled:
    """Inspect the nights from ``first`` to ``last`` again, one after the other, and call ``tell`` after each.

    Raises:
        As ``nights`` and ``inspect_again``. The nights before the error are done; run it again to continue.
    """
    asked = tuple(lines)
    fixed = pinned(settings)
    name = new_run_id()
    found = []
    for date in nights(fixed, first, last, asked):
        again = inspect_again(fixed, date, asked, wait=wait, progress=progress, name=name)
        found.append(again)
        tell(again)
        if again.result is not None and again.result.state == "limited":  # no node of the cluster is left
            raise ClusterError(f"the backfill stopped at {date}: {'; '.join(again.result.missing)}")
    return Backfilled(fixed.model.ref, tuple(found))


def _places(settings: Settings) -> tuple[Store, Store, KeyTemplate]:
    archive = open_store(settings.archive.uri, settings.store)
    report = open_store(settings.report.uri, settings.store, create=True)
    return archive, report, KeyTemplate(settings.archive.template, settings.night.timezone)


def _reported(report: Store, date: dt.date) -> set[str | None]:
    """The lines that have reports of a night."""
    names = (f"date={date.isoformat()}/{name}" for name in report.folders(f"{REPORTS}date={date.isoformat()}/"))
    return {partition.line for name in names if (partition := parse_folder(name)) is not None}


def _gone(report: Store, plan: PartitionPlan) -> int:
    """How many objects are in the reports that the plan would replace or delete, but no longer in the archive.

    A shard is one object: if it was packed again under its old name, it still counts as present.
    """
    there = {info.key for unit in plan.todo for info in unit.objects}
    gone: set[str] = set()
    for key in (*plan.stale, *map(report_key, plan.todo)):
        try:
            objects = pl.read_parquet(io.BytesIO(report.get(key)), columns=["object_key"])["object_key"].unique()
        except (ObjectNotFound, pl.exceptions.PolarsError):  # no report yet, or a damaged one: it has no rows to lose
            continue
        gone |= set(objects) - there
    return len(gone)
