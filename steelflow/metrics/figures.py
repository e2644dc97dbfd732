"""Reads the figures from storage: from run records, summaries, reports, drift tables, labels and the registry."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import get_args

import polars as pl

from steelflow import __version__
from steelflow.config import Settings
from steelflow.drift.check import drift_table, night_table
from steelflow.errors import ReportError, SteelflowError, StoreError, StoreUnreachable
from steelflow.labels.review import waiting
from steelflow.labels.store import open_labels
from steelflow.metrics.names import BY_NAME
from steelflow.night.housekeeping import LAST_TIDIED
from steelflow.registry import open_registry
from steelflow.report.layout import PROGRESS
from steelflow.report.progress import under_way
from steelflow.report.reader import ReportReader
from steelflow.report.record import DriftVerdict, RunRecord, RunState
from steelflow.report.runs import backfills, run_records
from steelflow.retrain.record import records as retrainings
from steelflow.store import Store, open_store

_NIGHTS = 14  # that are read
_RUNNING = 120.0  # seconds since the lock of a night was renewed
_SLOW = 300.0  # seconds between two looks at what takes long to read, unless a night was recorded meanwhile
_log = logging.getLogger(__name__)
_SUCCESS = ("complete", "incomplete")


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric. ``labels`` are in the metric's order."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


@dataclass(slots=True)
class _Kept:
    """What takes long to read, and what it was read of."""

    of: object = None
    at: float = -math.inf
    samples: list[Sample] = field(default_factory=list)


class Figures:
    """Reads the figures, again and again. What takes long to read is kept until a night was recorded, or for some
    minutes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._report: Store = open_store(settings.report.uri, settings.store, create=True)
        self._reader = ReportReader(self._report)
        self._kept: dict[str, _Kept] = {}

    def read(self) -> list[Sample]:
        """All samples.

        Raises:
            StoreError: the storage does not answer.
        """
        samples = [_one("build_info", 1, __version__)]
        records = [one for one in run_records(self._report, _NIGHTS) if not one.only]
        if records:
            samples += _of_night(records)
            latest = records[0]
            samples += self._keep("images", latest.run_id, lambda: self._images(latest.date))
            samples += self._keep("drift", latest.run_id, lambda: self._drift(latest.date), _SLOW)
            samples += self._keep("lines", latest.run_id, lambda: self._lines(records))
        samples += self._running()
        run = records[0].run_id if records else None
        samples += self._keep("model", run, lambda: self._model(records), _SLOW)
        samples += self._keep("labels", run, self._labels, _SLOW)
        samples += self._keep("success", run, lambda: self._successes(records), _SLOW)
        return [*samples, _one("storage_up", 1), _one("figures_timestamp_seconds", time.time())]

    def _keep(
        self, name: str, of: object, read: Callable[[], Iterable[Sample]], seconds: float = math.inf
    ) -> list[Sample]:
        kept = self._kept.setdefault(name, _Kept())
        if kept.of != of or time.monotonic() - kept.at > seconds:
            try:
                self._kept[name] = kept = _Kept(of, time.monotonic(), list(read()))
            except StoreUnreachable:
                raise
            except (SteelflowError, pl.exceptions.PolarsError) as exc:  # it does not take the others with it
                _log.warning("the figures of %s cannot be read: %s", name, exc)
                self._kept[name] = kept = _Kept(of, time.monotonic(), [])
        return kept.samples

    def _images(self, night: dt.date) -> Iterator[Sample]:
        counted = self._reader.summary([night])
        for line, status, images, novel in (
            counted.group_by("line", "status")
            .agg(pl.col("images").sum(), pl.col("novel").sum())
            .sort("line")
            .iter_rows()
        ):
            yield _one("night_images", images, line, status)
            if status == "ok":
                yield _one("night_novel_images", novel, line)
        if counted.filter(pl.col("status") == "failed").is_empty():
            return
        for line, reason, images in self._reader.reasons([night]).iter_rows():
            yield _one("night_failures", images, line, reason)

    def _drift(self, night: dt.date) -> Iterator[Sample]:
        table = drift_table(self._report, [night])
        for line, verdict in table.select("line", "verdict").unique().sort("line").iter_rows():
            for one in get_args(DriftVerdict):
                yield _one("drift_verdict", one == verdict, line, one)
        for name in ("value", "threshold"):
            known = table.filter(pl.col("signal").is_not_null(), pl.col(name).is_not_null())
            for line, signal, figure in known.select("line", "signal", name).iter_rows():
                yield _one(f"drift_{name}", figure, line, signal)

    def _lines(self, records: Iterable[RunRecord]) -> Iterator[Sample]:
        latest: dict[str | None, dt.date] = {}
        for record in records:
            for line in record.lines:
                latest[line] = max(latest.get(line, record.date), record.date)
        for line, date in latest.items():
            yield _one("line_last_night_timestamp_seconds", _midnight(date), line)

    def _running(self) -> Iterator[Sample]:
        now = dt.datetime.now(dt.UTC)
        locks = [info for info in self._report.list("locks/night-") if info.modified is not None]
        fresh = [info for info in locks if info.modified and (now - info.modified).total_seconds() < _RUNNING]
        yield _one("night_running", bool(fresh))
        times = {info.key: info.modified for info in self._report.list(PROGRESS)}
        for one in under_way(self._report):
            night = one.night.isoformat()
            yield _one("night_units_left", one.units_left, night)
            yield _one("night_progress_ratio", one.share, night)
            yield _one("night_rate_images_per_second", one.images_per_second, night)
            if one.seconds_left is not None:
                yield _one("night_left_seconds", one.seconds_left, night)
            if (told := times.get(f"{PROGRESS}date={night}.json")) is not None:
                yield _one("night_progress_timestamp_seconds", told.timestamp(), night)

    def _model(self, records: list[RunRecord]) -> Iterator[Sample]:
        if records:
            model = records[0].model
            yield _one("model_info", 1, "night", model.name, model.version, model.digest[:12])
        if (champion := open_registry(self._settings).champion()) is not None:
            yield _one("model_info", 1, "champion", champion.arch, champion.name, champion.digest[:12])

    def _labels(self) -> Iterator[Sample]:
        known = open_labels(self._settings).references()
        yield _one("labels_images", known.select("object_key", "member", "ordinal").unique().height)
        with contextlib.suppress(ReportError):  # no reports yet
            yield _one("review_queue_images", waiting(self._reader, known))

    def _successes(self, records: list[RunRecord]) -> Iterator[Sample]:
        ended: dict[str, dt.datetime] = {}

        def at(flow: str, moment: dt.datetime | None) -> None:
            if moment is not None:
                ended[flow] = max(ended.get(flow, moment), moment)

        for record in records:
            if record.state in _SUCCESS and not record.backfill:
                at("nightly", record.finished_at)
        for again in backfills(self._report).values():
            for record in again:
                if record.state in _SUCCESS:
                    at("backfill", record.finished_at)
        registry = open_store(self._settings.registry_uri, self._settings.store, create=True)
        for one in retrainings(registry):
            at("retrain", one.started_at + dt.timedelta(seconds=one.seconds))
        for key in (night_table(record.date) for record in records):
            for info in self._report.list(key):
                at("drift-check", info.modified)
        for info in registry.list(LAST_TIDIED):
            at("housekeeping", info.modified)
        for flow, moment in ended.items():
            yield _one("last_success_timestamp_seconds", moment.timestamp(), flow)


def _of_night(records: list[RunRecord]) -> Iterator[Sample]:
    """What the records say of the latest night. ``records`` are latest first."""
    latest = records[0]
    yield _one("night_timestamp_seconds", _midnight(latest.date))
    for state in get_args(RunState):
        yield _one("night_state", state == latest.state, state)
    yield _one("night_missing", len(latest.missing))
    units = latest.units
    for name, count in (("done", units.done), ("skipped", units.skipped), ("failed", len(units.failed))):
        yield _one("night_units", count, name)
    yield _one("night_units", units.pending, "pending")
    judged = next((record for record in records if record.judged and record.seconds), None)
    if judged is not None:
        yield _one("night_judged_images", judged.judged)
        yield _one("night_images_per_second", judged.judged / judged.seconds)
        yield _one("night_seconds", judged.seconds)
        for stage, seconds in judged.stage_seconds.items():
            yield _one("night_stage_seconds", seconds, stage)


def unreachable() -> list[Sample]:
    """The figures that are known while the storage does not answer."""
    return [_one("build_info", 1, __version__), _one("storage_up", 0)]


def read_once(settings: Settings) -> list[Sample]:
    """All samples, or what is left if the storage does not answer."""
    try:
        return Figures(settings).read()
    except StoreError:
        return unreachable()


def _one(name: str, value: float, *labels: str | None) -> Sample:
    metric = BY_NAME[f"steelflow_{name}"]
    return Sample(metric.name, float(value), tuple("" if label is None else str(label) for label in labels))


def _midnight(date: dt.date) -> float:
    return dt.datetime.combine(date, dt.time(), dt.UTC).timestamp()
