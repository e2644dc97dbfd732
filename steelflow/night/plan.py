"""What is to be done of a night: a plan for each line."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from steelflow.archive.carried import misnamed
from steelflow.archive.discovery import objects
from steelflow.archive.units import plan as plan_units
from steelflow.archive.units import superseded
from steelflow.archive.unlisted import Unlisted
from steelflow.errors import AccessDenied, ObjectChanged, ObjectNotFound, ObjectUnreadable
from steelflow.inspection.pipeline import Inspection
from steelflow.records import Partition, Unit
from steelflow.report.footer import read_footers
from steelflow.report.layout import REPORTS, folder, regions_key, report_key
from steelflow.report.unit_notes import NO_NOTES, Notes
from steelflow.report.writer import Counts


@dataclass(frozen=True, slots=True)
class PartitionPlan:
    """What is to be done of one line and date.

    ``todo`` are the units to inspect. ``skipped`` units have a report that is up to date; ``skipped_counts`` is what
    these reports hold, and ``skipped_notes`` what their readers could not use. ``stale`` are the keys of reports to
    delete. ``ignored`` files are neither image nor shard nor sidecar. ``prints`` are the fingerprints of all units.
    ``regions`` are the keys that their files of regions have, where there are any. ``unlisted`` are sentences on what
    could not be listed.
    """

    partition: Partition
    todo: tuple[Unit, ...]
    skipped: int
    skipped_counts: Counts
    stale: tuple[str, ...]
    ignored: int
    ignored_sample: tuple[str, ...]
    prints: tuple[str, ...]
    skipped_notes: tuple[Notes, ...] = ()
    regions: frozenset[str] = frozenset()
    misplaced: int = 0
    misplaced_folders: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()

    def take(self, limit: int | None) -> tuple[Unit, ...]:
        """At most ``limit`` units. All of them if reports are deleted: their rows would be missing afterwards."""
        return self.todo if self.stale else self.todo[:limit]

    def light(self) -> PartitionPlan:
        """Without the objects of the units: a night keeps its plans, and there can be millions of objects."""
        return dataclasses.replace(
            self, todo=tuple(dataclasses.replace(unit, objects=(), sidecars=()) for unit in self.todo)
        )


def plan_partition(job: Inspection, partition: Partition, unit_images: int) -> PartitionPlan:
    """List the images and the reports of a partition. A unit is to be inspected if no report has its fingerprint.

    Args:
        unit_images: about how many loose images make one unit.

    Raises:
        StoreError: images or reports cannot be listed.
    """
    unlisted = Unlisted()
    found = objects(job.archive, job.template, partition, unlisted)
    planned = plan_units(partition, found, job.template, unit_images, partial(misnamed, job.archive))
    prefix = REPORTS + folder(partition)
    there = {info.key: info for info in job.report.list(prefix) if info.key.endswith(".parquet")}
    known = read_footers(job.report, (there[key] for unit in planned.units if (key := report_key(unit)) in there))
    todo: list[Unit] = []
    skipped_counts = Counts()
    skipped_notes: list[Notes] = []
    prints = []
    for unit in planned.units:
        expected = job.fingerprint(unit)
        prints.append(expected)
        footer = known.get(report_key(unit))
        if footer is not None and footer.fingerprint == expected and not _can_be_read_now(job, footer.notes):
            skipped_counts += footer.counts
            skipped_notes += [footer.notes] if footer.notes != NO_NOTES else []
        else:
            todo.append(unit)
    existing = {key.removeprefix(prefix).removesuffix(".parquet"): key for key in there}
    stale = superseded(existing.keys(), [unit.id for unit in planned.units])
    return PartitionPlan(
        partition=partition,
        todo=tuple(todo),
        skipped=len(planned.units) - len(todo),
        skipped_counts=skipped_counts,
        stale=tuple(sorted(existing[unit_id] for unit_id in stale)),
        ignored=planned.ignored_count,
        ignored_sample=planned.ignored_sample,
        prints=tuple(prints),
        skipped_notes=tuple(skipped_notes),
        misplaced=planned.misplaced_count,
        misplaced_folders=planned.misplaced_folders,
        unlisted=tuple(unlisted.sentences()),
        regions=_regions(planned.units, prints) if job.frame_of(partition.line) else frozenset(),
    )


def _regions(units: Sequence[Unit], prints: Sequence[str]) -> frozenset[str]:
    return frozenset(regions_key(report_key(unit), mark) for unit, mark in zip(units, prints, strict=True))


def _can_be_read_now(job: Inspection, notes: Notes) -> bool:
    """Whether the store gives an object that it refused before: restored from cold storage, or with another policy.
    Its etag is the same, so the fingerprint does not show it."""
    for key in notes.refused_sample:
        with contextlib.suppress(AccessDenied, ObjectUnreadable, ObjectNotFound, ObjectChanged):
            job.archive.get(key, 0, 1)
            return True
    return False
