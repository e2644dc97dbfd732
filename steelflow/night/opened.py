"""A night that is opened: its images and its model. Its units are planned and inspected, and not recorded yet."""

from __future__ import annotations

import copy
import datetime as dt
import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Self

from steelflow.archive.discovery import discover
from steelflow.archive.template import KeyTemplate
from steelflow.config import Settings
from steelflow.errors import ClusterError, ConfigError
from steelflow.executor import open_executor
from steelflow.inspection.pipeline import Done, Inspection, Model, Seconds, load_model, new_run_id
from steelflow.night.plan import PartitionPlan, plan_partition
from steelflow.night.progress import Tracker
from steelflow.records import Partition, Unit
from steelflow.report.layout import night_lock_key, report_key
from steelflow.report.runs import records_of
from steelflow.store import Store, open_store
from steelflow.store.clock import StoreClock
from steelflow.store.lock import locked
from steelflow.telemetry.logs import about
from steelflow.telemetry.traces import span

_log = logging.getLogger(__name__)


class OpenedNight:
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
        self.stopped: str | None = None

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
                _log.info("night of %s: begins; lines: %s; model %s", self.date, lines, self.model_name)
                yield

    def _discover(self) -> None:
        self.started = dt.datetime.now(dt.UTC)
        self.clock = time.perf_counter()
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

    def of_all_lines(self) -> Self:
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
                self.stopped = str(exc)
                _log.info("night of %s: stopped", self.date, extra={"figures": {"error": str(exc)}})
            finally:
                stage.set(images=self.tracker.now().images, **{f"{k}_seconds": v for k, v in asdict(spent).items()})

    @property
    def model_name(self) -> str:
        return self.model.version or self.model.engine.digest[:12]


def named(unit: Unit) -> str:
    """A unit among those of all lines."""
    return unit.id if unit.partition.line is None else f"{unit.partition.line}/{unit.id}"


def _tell(one: Done) -> None:
    """Log a unit. One that failed is no warning: the command and the flow tell of it at the end."""
    extra: dict[str, Any] = {"line": one.unit.partition.line}
    if one.error is None:
        _log.info("unit %s: %d images, %d failed", named(one.unit), one.counts.found, one.counts.failed, extra=extra)
    else:
        _log.info("unit %s: failed", named(one.unit), extra=extra | {"figures": {"error": one.error}})
