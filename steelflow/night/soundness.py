"""Whether a night as a whole may become part of the reference: its coverage, and the golden accuracy of its model.

Unless a person accepted it, a night is normal only if it is complete, no line is missing, and the model's accuracy on
the golden set (if there is one) is near its record. ``drift.references`` adds the condition on novelty, line by line.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from itertools import islice

import polars as pl
import pyarrow as pa

from steelflow.config import Settings
from steelflow.drift.references import Doubts
from steelflow.engine import Engine, open_engine
from steelflow.errors import BucketNotFound, ConfigError, SteelflowError
from steelflow.inspection.judge import judge
from steelflow.labels import open_labels
from steelflow.labels.golden import Golden, read_golden
from steelflow.labels.images import Images
from steelflow.models.shipped import shipped
from steelflow.records import Partition, RawImage, Unit
from steelflow.registry import open_registry, resolved
from steelflow.report.judged import Origin, rows
from steelflow.report.layout import REPORTS, parse_folder
from steelflow.report.record import RunRecord
from steelflow.report.runs import night_record
from steelflow.store import Store, open_store

_DROP = 0.05  # of the accuracy, below the record
_BATCH = 64


def doubts_about(settings: Settings, report: Store, date: dt.date, digest: str, version: str | None) -> Doubts:
    """The reasons why the night must not become part of a reference, when they are asked for.

    Args:
        report: the root of the reports.
        digest: of the model that inspected the night.
        version: its name in the registry, None if it is not from there.
    """

    def doubts() -> tuple[str, ...]:
        return (*_coverage(settings, report, date), *_golden(settings, digest, version))

    return doubts


def incomplete(report: Store, date: dt.date) -> str | None:
    """Why the latest run of a night, as recorded, did not complete it; None if it did, or if there is no record."""
    latest = night_record(report, date)
    if latest is None or latest.state == "complete":
        return None
    return not_complete(latest)


def not_complete(record: RunRecord) -> str:
    """Why the night of this record must not become part of a reference."""
    told = f": {'; '.join(record.missing)}" if record.missing else ""
    return f"the night is not complete ({record.state}){told}: run `steelflow nightly --date {record.date}`"


def _coverage(settings: Settings, report: Store, date: dt.date) -> Iterator[str]:
    names = (f"date={date.isoformat()}/{name}" for name in report.folders(f"{REPORTS}date={date.isoformat()}/"))
    there = {partition.line for name in names if (partition := parse_folder(name)) is not None}
    if missing := [line for line in settings.night.lines if line not in there]:
        yield f"no images of line {', '.join(missing)} (night.lines)"


def _golden(settings: Settings, digest: str, version: str | None) -> Iterator[str]:
    try:
        golden = _read(settings)
        model = resolved(settings)
        if golden is None or model.digest != digest:
            return
        accuracy, confidence = _judged(golden, open_engine(model.path, settings.model.engine), settings)
        known = _recorded(settings, digest, version, golden.hash)
    except SteelflowError as exc:
        yield f"the golden accuracy is not known: {exc}"
        return
    expected, source = (confidence, "its own confidence says") if known is None else (known, "its record says")
    if accuracy < expected - _DROP:
        yield f"{accuracy:.1%} of the golden set are right, {source} {expected:.1%}: check the model"


def _read(settings: Settings) -> Golden | None:
    try:
        store = open_store(settings.labels_uri, settings.store)
        return read_golden(store, Images(store))
    except (ConfigError, BucketNotFound):  # there are no labels yet
        return None


def _recorded(settings: Settings, digest: str, version: str | None, golden: str) -> float | None:
    """The accuracy that the model's manifest has: on this golden set, else on held-out images; or that of a model that
    ships."""
    if version is not None:
        figures = open_registry(settings).version(version).metrics
        name = "golden_accuracy" if figures.get("golden") == golden else "accuracy"
        if isinstance(figures.get(name), int | float):
            return float(figures[name])
    known = shipped(digest)
    return None if known is None else known.accuracy


def _judged(golden: Golden, engine: Engine, settings: Settings) -> tuple[float, float]:
    """The share of the golden set that the model labels right, and its mean confidence there."""
    unit = Unit(id="", partition=Partition(None, None), kind="loose", objects=())
    origin = Origin(unit=unit, spec=engine.spec, model_digest=engine.digest, run_id="", novelty=engine.novelty)
    tables, truth = [], []
    limits_of = open_labels(settings).limits_of()
    for batch in _batches(golden.load()):
        raw = [RawImage(image, None, 0, data) for image, _, data in batch]
        judged = judge(raw, engine, settings.limits, lambda image: limits_of(image.key))
        tables.append(rows(judged, origin).select(["label", "confidence"]))
        truth += [label for _, label, _ in batch]
    frame = pl.DataFrame(pa.concat_tables(tables))
    right = (frame["label"] == pl.Series(truth)).fill_null(False)
    return float(right.sum()) / len(truth), float(frame["confidence"].fill_null(0).cast(pl.Float64).sum()) / len(truth)


def _batches(images: Iterable[tuple[str, str, bytes]]) -> Iterator[list[tuple[str, str, bytes]]]:
    iterator = iter(images)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
