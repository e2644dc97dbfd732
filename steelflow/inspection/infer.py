"""Inspect any source: a folder, one shard, or an S3 prefix, without lines and nights."""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from steelflow.archive.carried import misnamed
from steelflow.archive.names import SIDECARS, kind_of
from steelflow.archive.template import KeyTemplate
from steelflow.archive.units import Plan, plan, superseded
from steelflow.archive.unlisted import Unlisted
from steelflow.config import LimitSettings, Settings
from steelflow.errors import ConfigError, ObjectNotFound
from steelflow.inspection.pipeline import Done, Inspection, inspect_units, load_model, new_run_id
from steelflow.records import ObjectInfo, Partition, Unit
from steelflow.report.depth import depth_note
from steelflow.report.footer import Footer, read_footers
from steelflow.report.layout import REGIONS, regions_key
from steelflow.report.notes import notes
from steelflow.report.rates import Rates, rates
from steelflow.report.regions import RegionReader
from steelflow.report.severity import graded, severities_of
from steelflow.report.summary import SUMMARY, summarised
from steelflow.report.unit_notes import NO_NOTES, Notes, sidecar_problems
from steelflow.report.writer import Counts
from steelflow.store import Store, open_store
from steelflow.store.foreign import foreign_objects

_NOTHING = (
    "{}: contains no images and no tar or zip shards ({} other files); "
    "name a folder, a shard or s3://bucket/prefix with images"
)
_SAMPLE = 20  # names of ignored files in a result


@dataclass(frozen=True, slots=True)
class InspectionResult:
    """``images`` = ``ok`` + ``failed`` over all ``files``. This run judged ``judged`` of them. The reports of the other
    images are from an earlier run and up to date. ``regions`` counts the regions of defect of all frames, None for
    images without views; ``judged_whole`` counts, by size, the images of this run that are much larger than the model's
    pictures and were judged as a whole. ``defects`` are the rates over all ``files``; ``notes`` are what people should
    read first. ``severities`` counts the regions by the rules of the settings, the most severe first."""

    images: int
    ok: int
    failed: int
    ignored: int
    ignored_sample: tuple[str, ...]
    sidecar_errors: int
    sidecar_sample: tuple[str, ...]
    judged: int
    seconds: float
    images_per_second: float
    model: str
    engine: str
    files: tuple[str, ...]
    failed_units: tuple[str, ...]
    defects: Rates
    notes: tuple[str, ...] = ()
    regions: int | None = None
    judged_whole: Mapping[str, int] = field(default_factory=dict)
    severities: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {"defects": self.defects.to_dict()}


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys of the reports of one source; as a class, it can travel to another process."""

    prefix: str

    def __call__(self, unit: Unit) -> str:
        return f"{self.prefix}.{unit.id}.parquet"


@dataclass(slots=True)
class _Ended:
    """What came back, added up: a source has thousands of units. ``keys`` are those of new reports, ``notes`` those
    that say something, ``failures`` name the units with an error."""

    counts: Counts = field(default_factory=Counts)
    keys: set[str] = field(default_factory=set)
    notes: list[Notes] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    squeezed: Counter[str] = field(default_factory=Counter)

    def add(self, one: Done) -> None:
        self.squeezed.update(one.squeezed)
        if one.error is not None:
            self.failures.append(f"{one.unit.id}: {one.error}")
            return
        self.counts += one.counts
        self.keys.add(one.key)
        if one.notes != NO_NOTES:
            self.notes.append(one.notes)


Inspect = Callable[[Iterable[Unit], Inspection], Iterator[Done]]


def inspect_source(
    source: str,
    dest: str,
    settings: Settings,
    progress: Callable[[Done], None] = lambda _: None,
    inspect: Inspect = inspect_units,
) -> InspectionResult:
    """Classify every image of ``source`` and write reports to ``dest``, one Parquet file per work unit.

    File names contain the source, so several sources can share a destination. Reports that are up to date are not made
    again. ``inspect`` inspects the units; an executor's method may do it elsewhere.

    Raises:
        ConfigError: the source does not exist, or contains no images and no shards.
        StoreError, ModelError: the store or the model failed. Every file that was written is complete.
    """
    template = KeyTemplate(settings.archive.template, settings.night.timezone)
    unlisted = Unlisted()
    archive, found, alone = _open_source(source, settings, unlisted)
    planned = plan(Partition(None, None), found, template, settings.archive.unit_images, partial(misnamed, archive))
    if not planned.units:
        raise ConfigError(_NOTHING.format(source, planned.ignored_count))
    model = load_model(settings)  # before the destination is opened, so that an error leaves no folder behind
    prefix = _prefix(source, archive)
    clock = time.perf_counter()
    job = Inspection(
        archive=archive,
        report=open_store(dest, settings.store, create=True),
        template=template,
        limits=_limits(settings, archive, template, planned.units),
        model=model,
        run_id=new_run_id(),
        key_of=_Keys(prefix),
        hive=False,
        frame=settings.frame,
        severity=settings.severity,
    )
    current = _up_to_date(job, prefix, planned.units)
    ended = _Ended()
    for one in inspect((unit for unit in planned.units if job.key_of(unit) not in current), job):
        ended.add(one)
        progress(one)
    if not ended.failures:
        _drop_old_regions(job, prefix, planned.units)
    said = source, prefix, time.perf_counter() - clock
    result = _result(job, planned, current, ended, said, alone)
    return replace(result, notes=(*unlisted.sentences(), *result.notes))


def _limits(settings: Settings, source: Store, template: KeyTemplate, units: Sequence[Unit]) -> LimitSettings:
    """The limits of the source's line, if the source is a part of the archive; otherwise those of all lines, and the
    key of an image says its line."""
    limits, uri = settings.limits, settings.archive.uri
    root = (uri if "://" in uri else str(Path(uri).expanduser().absolute())).rstrip("/") + "/"
    if not limits.lines or not source.uri.startswith(root):
        return limits
    folder = source.uri.removeprefix(root)
    lines = {template.read(f"{folder}/{unit.objects[0].key}").line for unit in units}
    return limits.of(lines.pop()) if len(lines) == 1 and None not in lines else limits


def _result(
    job: Inspection,
    planned: Plan,
    current: Mapping[str, Footer],
    ended: _Ended,
    said: tuple[str, str, float],
    alone: bool,
) -> InspectionResult:
    """``said`` is the source, the prefix of its reports, and the seconds that the inspection took."""
    source, prefix, seconds = said
    judged = ended.counts
    counts = sum((footer.counts for footer in current.values()), judged)
    beside = [footer.notes for footer in current.values()] + ended.notes
    sidecars = sidecar_problems(beside, whole=not ended.failures and not alone)
    model, written = job.model, {*current, *ended.keys}
    files = [info for info in job.report.list(f"{prefix}.") if info.key in written]
    summary = summarised(job.report, files) if files else pl.DataFrame(schema=SUMMARY)
    deep = [note for note in (depth_note(source, counts),) if note is not None]
    return InspectionResult(
        images=counts.found,
        ok=counts.ok,
        failed=counts.failed,
        ignored=counts.ignored + planned.ignored_count,
        ignored_sample=(*planned.ignored_sample, *(name for note in beside for name in note.ignored))[:_SAMPLE],
        sidecar_errors=sidecars.count,
        sidecar_sample=sidecars.sample,
        judged=judged.found,
        seconds=round(seconds, 3),
        images_per_second=round(judged.found / seconds, 1),
        model=model.engine.spec.name,
        engine=model.engine.name,
        files=tuple(f"{job.report.uri}/{key}" for unit in planned.units if (key := job.key_of(unit)) in written),
        regions=counts.regions if job.frame_of(None) is not None else None,
        judged_whole=dict(ended.squeezed),
        severities=_severities(job, files, summary) if counts.regions else {},
        failed_units=tuple(ended.failures),
        defects=rates(summary),
        notes=(*notes(summary, model.spec, model.engine.digest, "these images", ended.squeezed.total()), *deep),
    )


def _severities(job: Inspection, files: Sequence[ObjectInfo], summary: pl.DataFrame) -> dict[str, int]:
    if not job.severity:
        return {}
    nowhere = summary.with_columns(date=pl.lit(None, pl.Date), line=pl.lit(None, pl.String))
    return severities_of(graded(RegionReader(job.report).of_files(files), nowhere, job.severity), job.severity)


def _up_to_date(job: Inspection, prefix: str, units: Sequence[Unit]) -> dict[str, Footer]:
    """The reports that are up to date, by key. Reports whose images now belong to other units are deleted."""
    there = {info.key: info for info in job.report.list(f"{prefix}.") if info.key.endswith(".parquet")}
    known = read_footers(job.report, there.values())
    current = {
        key: known[key]
        for unit in units
        if (key := job.key_of(unit)) in known and known[key].fingerprint == job.fingerprint(unit)
    }
    ids = {key.removeprefix(f"{prefix}.").removesuffix(".parquet"): key for key in there}
    for unit_id in superseded(ids.keys(), [unit.id for unit in units]):
        job.report.delete(ids[unit_id])
    return current


def _drop_old_regions(job: Inspection, prefix: str, units: Sequence[Unit]) -> None:
    """Delete the files of regions that no report of the source names any more."""
    named = {regions_key(job.key_of(unit), job.fingerprint(unit)) for unit in units}
    for info in list(job.report.list(f"{REGIONS}{prefix}.")):
        if info.key not in named:
            job.report.delete(info.key)


def _open_source(source: str, settings: Settings, unlisted: Unlisted) -> tuple[Store, Iterable[ObjectInfo], bool]:
    """The store and its objects; and whether they are one image or shard, with the sidecars beside it."""
    if "://" in source:
        root, _, name = source.rpartition("/")
        if kind_of(name) in ("image", "shard") and root.count("/") >= 2:
            store = open_store(root, settings.store)
            return store, _with_sidecars(store, name), True
        store = open_store(source, settings.store)
        return store, foreign_objects(store, "", unlisted.add), False
    path = Path(source).expanduser().absolute()
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as exc:
        raise ConfigError(f"{source}: {exc.strerror}; check owner and mode of the folders above, and the name") from exc
    if is_folder:
        store = open_store(str(path), settings.store)
        return store, foreign_objects(store, "", unlisted.add), False
    if not is_file:
        raise ConfigError(f"{source}: no such file or folder; name a folder, a tar or zip, or s3://bucket/prefix")
    store = open_store(str(path.parent), settings.store)
    return store, _with_sidecars(store, path.name), True


def _with_sidecars(store: Store, name: str) -> list[ObjectInfo]:
    """One object, and the sidecars beside it."""
    found = [store.stat(name)]
    for sidecar in SIDECARS:
        with contextlib.suppress(ObjectNotFound):
            found.append(store.stat(sidecar))
    return found


def _prefix(source: str, archive: Store) -> str:
    name = source.rstrip("/").rpartition("/")[2]
    where = f"{archive.uri}|{name}" if kind_of(name) else archive.uri
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", name.partition(".")[0]).strip("-")[:40] or "images"
    return f"{stem}-{hashlib.sha256(where.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
