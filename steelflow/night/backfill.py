"""Past nights again, with the model that inspects now: after a promotion, or for an archive older than steelflow.

    for date in nights(settings, first, last):       oldest first
        inspect_again(settings, date)                what is up to date stays: a backfill that was stopped goes on

The run record of a night that it ran names the backfill: what it took as a whole is the sum of these records.

A report mirrors its archive, and archives expire. A line of a night whose images have left the archive, all or some of
them, keeps the report that it has, and the result says so: a backfill loses no row.
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
from steelflow.errors import ConfigError, ObjectNotFound
from steelflow.inspection.pipeline import Done, new_run_id
from steelflow.night.plan import PartitionPlan
from steelflow.night.run import Night, NightResult, Progress
from steelflow.records import Unit
from steelflow.registry import resolved
from steelflow.report.layout import REPORTS, parse_folder, report_key
from steelflow.report.reader import ReportReader
from steelflow.store import Store, open_store


@dataclass(frozen=True, slots=True)
class Again:
    """A night of a backfill. ``result`` is about the lines that were inspected, None where there was none; ``kept``
    says of every other line why its report stays as it was."""

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
    """All nights of a backfill, oldest first. Those with ``failed_units`` are to be run again."""

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
        kept = f"; reports stay in {self.kept} of them, for their images have left the archive" if self.kept else ""
        return f"{len(self.nights)} nights, {self.judged:,} images judged by {self.model}{kept}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "judged": self.judged,
            "failed_units": list(self.failed_units),
            "nights": [night.to_dict() for night in self.nights],
        }


def pinned(settings: Settings) -> Settings:
    """The settings with the champion of this moment, by name: one that comes in the middle judges none of the nights.

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
        ConfigError: the range is empty, or a line was never seen, in images or reports.
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
    """Inspect a night as ``inspect_night`` does, but for the lines of which images have left the archive.

    Args:
        lines: only these; when empty, those of the settings, or all.
        wait: seconds to wait for another process that inspects the same night.
        name: of the backfill that the night is part of.

    Raises:
        LockHeld: another process still does.
        ConfigError, StoreError, ModelError: nothing, or whole reports only, have been written.
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
    done: list[Done] = []

    def units() -> Iterator[Unit]:
        for partition in night.partitions:
            plan = night.plan(partition)
            if gone := _gone(report, plan):
                kept.append(f"{partition.line}: {gone:,} objects of its report have left the archive, the report stays")
                continue
            night.clear(plan)
            plans.append(plan.light())
            yield from plan.todo

    with night.lock(wait):
        for one in night.inspect(units()):
            done.append(one.light())
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
    """Inspect the nights from ``first`` to ``last`` again, one after the other, and tell of each when it is done.

    Raises:
        As ``nights`` and ``inspect_again``. The nights before are done; run it again to go on.
    """
    asked = tuple(lines)
    fixed = pinned(settings)
    name = new_run_id()
    found = []
    for date in nights(fixed, first, last, asked):
        found.append(inspect_again(fixed, date, asked, wait, progress, name))
        tell(found[-1])
    return Backfilled(fixed.model.ref, tuple(found))


def _places(settings: Settings) -> tuple[Store, Store, KeyTemplate]:
    archive = open_store(settings.archive.uri, settings.store)
    report = open_store(settings.report.uri, settings.store, create=True)
    return archive, report, KeyTemplate(settings.archive.template)


def _reported(report: Store, date: dt.date) -> set[str | None]:
    """The lines that have reports of a night."""
    names = (f"date={date.isoformat()}/{name}" for name in report.folders(f"{REPORTS}date={date.isoformat()}/"))
    return {partition.line for name in names if (partition := parse_folder(name)) is not None}


def _gone(report: Store, plan: PartitionPlan) -> int:
    """How many objects stand in the reports that the plan would replace or delete, and are in the archive no more.

    A shard is one object: of one that was packed anew under its old name, the new content counts.
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
