"""The hot path: work units in, committed reports out.

``workers`` threads take turns to read a chunk of images. Each thread decodes and classifies its chunk; all operations
on images release the GIL. One thread writes rows. Other threads put finished reports into the store, which may be slow.
The number of chunks and of unfinished reports is fixed, so memory does not depend on the size or the number of units.
Chunks of the next unit follow without a gap.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from threadpoolctl import threadpool_limits

from steelflow.archive.by_line import ImageLimits
from steelflow.archive.described import SidecarErrors
from steelflow.archive.names import Ignored, kind_of
from steelflow.archive.readers import read_unit
from steelflow.archive.template import KeyTemplate
from steelflow.archive.units import fingerprint, only_jpeg
from steelflow.config import MIB, FrameSettings, LimitSettings, LineFrame, Settings, SeverityRule
from steelflow.engine import Engine
from steelflow.errors import AccessDenied, StoreError, StoreUnreachable
from steelflow.images.limits import Room
from steelflow.inspection.judge import Judge, frame_of, squeezed
from steelflow.inspection.tuned import tuned_engine
from steelflow.models.spec import ModelSpec
from steelflow.records import Failure, RawImage, Unit
from steelflow.registry import line_points, resolved
from steelflow.report.judged import Judged, Origin
from steelflow.report.unit_notes import NO_NOTES, Notes
from steelflow.report.writer import Counts, UnitWriter
from steelflow.schema import FRAMES_VERSION, PIPELINE_VERSION, PIXELS_VERSION
from steelflow.store.base import Store

_CHUNK_BYTES = 16 * MIB
_CHUNK_FRAMES = 32  # a frame has several views, so fewer frames fill the batches; and memory is that of all chunks
_CHUNKS_PER_WORKER = 12  # that are judged and not yet written: some 50 KB each; their images are gone
_DRAFTS = 16  # units that wait to be written; each has an open file
_COMMITTERS = 4  # reports that are put at a time
_BY_LINE = {"lines"}
_GRADES = 4  # of a coil that are kept
_UNOPENED = 5  # shards of a unit that are named
_REFUSED = frozenset(("cold_storage", "denied", "unreadable", "changed"))  # failures of an object, not of its bytes
_REFUSED_SAMPLE = 20
_STOPS = (StoreUnreachable, AccessDenied)  # errors that would also stop the next unit


@dataclass(frozen=True, slots=True)
class Seconds:
    """Seconds by stage, summed over threads."""

    fetch: float = 0.0
    decode: float = 0.0
    infer: float = 0.0
    write: float = 0.0

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(*(a + b for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Done:
    """A unit with its committed report; with ``error``, a unit that must be run again. ``squeezed`` counts, by size,
    the images that are much larger than the model's pictures and were judged as a whole."""

    unit: Unit
    key: str
    counts: Counts
    seconds: Seconds
    error: str | None = None
    notes: Notes = NO_NOTES
    squeezed: Mapping[str, int] = field(default_factory=dict)

    def light(self) -> Done:
        """A copy without the list of objects, which need not travel back from another node."""
        return dataclasses.replace(self, unit=dataclasses.replace(self.unit, objects=(), sidecars=()))


@dataclass(frozen=True, slots=True)
class Model:
    """An engine with a suitable batch size and number of threads. ``version`` is the model's version in the registry,
    None if the model is not from the registry. ``points`` are the operating points that were set by line; the key None
    is for all other lines. The threads share ``room`` for large pictures. ``path`` is the ONNX file."""

    engine: Engine
    batch_size: int
    workers: int
    version: str | None = None
    points: Mapping[str | None, float] = field(default_factory=dict)
    room: Room | None = None
    path: Path | None = None

    @property
    def spec(self) -> ModelSpec:
        """The engine's spec, with the registry's version if there is one."""
        spec = self.engine.spec
        return spec if self.version is None else spec.model_copy(update={"version": self.version})

    def spec_on(self, line: str | None) -> ModelSpec:
        """The spec with the operating point of a line."""
        point = self.point(line)
        return self.spec if point is None else self.spec.model_copy(update={"operating_point": point})

    def point(self, line: str | None) -> float | None:
        """The operating point that was set for a line, or for all lines. None: the spec's own."""
        return self.points.get(line, self.points.get(None))


def new_run_id() -> str:
    """A run name that sorts by time: ``20261118T013000Z-1f2e3d``."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def load_model(settings: Settings) -> Model:
    """Resolve, load and tune the configured model. Raises ``EngineError``, or the errors of ``registry.resolved``."""
    path, version = resolved(settings)
    workers = settings.model.workers or len(os.sched_getaffinity(0))
    engine, batch = tuned_engine(path, settings.model, workers, settings.home)
    points = line_points(settings, engine.digest) if engine.spec.good else {}
    return Model(engine, batch, workers, version, points, Room(settings.model.memory_limit_mib * MIB), path)


@dataclass(frozen=True, slots=True)
class Inspection:
    """Everything needed to inspect a unit, except the unit.

    ``key_of`` gives the report's key for a unit. ``hive`` says whether the key contains line and date.
    """

    archive: Store
    report: Store
    template: KeyTemplate
    limits: LimitSettings
    model: Model
    run_id: str
    key_of: Callable[[Unit], str]
    hive: bool
    frame: FrameSettings | None = None
    severity: tuple[SeverityRule, ...] = ()

    def fingerprint(self, unit: Unit) -> str:
        line = unit.partition.line
        limits = self.limits_of(line)
        how = f"{PIPELINE_VERSION} {limits.model_dump_json(exclude_none=True, exclude=_BY_LINE)} {self.template.text}"
        if limits.lines:
            how += f" {limits.model_dump_json(exclude_none=True, include=_BY_LINE)}"
        if (frame := self.frame_of(line)) is not None:
            how += f" {frame.model_dump_json()} frames {FRAMES_VERSION}"
        if (point := self.model.point(line)) is not None:
            how += f" point {point!r}"
        if not only_jpeg(unit):
            how += f" pixels {PIXELS_VERSION}"
        zone = self.template.zone.key  # of times without one, which keys and sidecars can have
        if zone != "UTC" and ("captured_at" in self.template.fields or unit.sidecars):
            how += f" {zone}"
        return fingerprint(unit, self.model.engine.digest, how)

    def frame_of(self, line: str | None) -> LineFrame | None:
        """How the frames of a line are judged; None if they are judged as a whole."""
        return frame_of(self.frame, self.model.spec, line)

    def limits_of(self, line: str | None) -> LimitSettings:
        """The limits of a line; all of them for a source without lines, where the keys of its images may name them."""
        return self.limits if line is None else self.limits.of(line)

    def judge(self, line: str | None) -> Judge:
        """How the images of a line are judged."""
        model, limits = self.model, self.limits_of(line)
        by_key = ImageLimits(limits, self.template)
        return Judge(
            model.engine,
            limits,
            model.spec_on(line),
            self.frame_of(line),
            model.batch_size,
            model.room,
            (lambda image: by_key.of(image.key, image.member)) if limits.lines else None,
        )


def inspect_units(units: Iterable[Unit], job: Inspection) -> Iterator[Done]:
    """Inspect units and commit a report for each, in order.

    Raises:
        StoreUnreachable, AccessDenied: the inspection cannot continue; committed reports are kept. Any other error of a
            unit is in its ``Done.error``, and the other units continue.
    """
    workers = job.model.workers
    with (
        # OpenBLAS threads spin for about 25 ms after a matrix product, on cores that other threads need.
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(_COMMITTERS, thread_name_prefix="commit") as committers,
        ThreadPoolExecutor(1, thread_name_prefix="write") as scribe,
        ThreadPoolExecutor(workers, thread_name_prefix="judge") as judges,
    ):
        feed = _Feed(units, job, scribe, committers)
        for _ in range(workers):
            judges.submit(feed.work)
        try:
            yield from feed.done()
        finally:
            feed.stop()


class _Feed:
    """The chunks of all units, in order, for the threads that judge.

    The same thread reads and judges a chunk: the bytes stay in the core's cache, and no extra thread competes for the
    GIL.
    """

    def __init__(self, units: Iterable[Unit], job: Inspection, scribe: Executor, committers: Executor) -> None:
        self._job, self._scribe, self._committers = job, scribe, committers
        self._slots = threading.Semaphore(_CHUNKS_PER_WORKER * job.model.workers)
        self._drafts = threading.Semaphore(_DRAFTS)
        self._turn = threading.Lock()
        self._chunks = self._read(units)
        self._ended: SimpleQueue[Future[Future[Done]] | None] = SimpleQueue()
        self._error: BaseException | None = None

    def work(self) -> None:
        """Read and judge until all chunks are done; call once per thread."""
        while (taken := self._take()) is not None:
            chunk, how, judging = taken
            try:
                judging.set_result(how.images(chunk))
            except BaseException as exc:  # noqa: BLE001  raised again where the chunk is written
                judging.set_exception(exc)

    def done(self) -> Iterator[Done]:
        """Yield each unit, in order, when its report is committed. Raises the error that ended the reading."""
        while (ended := self._ended.get()) is not None:
            yield ended.result().result()
            self._drafts.release()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Stop reading. Units that were read completely are still written."""
        self._drafts.release(_DRAFTS)  # a reading thread may wait for one
        with self._turn:
            self._chunks.close()

    def _take(self) -> tuple[list[RawImage], Judge, Future[Judged]] | None:
        self._slots.acquire()
        with self._turn:
            try:
                return next(self._chunks)
            except StopIteration:
                pass
            except BaseException as exc:  # noqa: BLE001  raised again by ``done``, in the thread that can stop the work
                self._error = exc
            self._ended.put(None)
        self._slots.release()
        return None

    def _read(self, units: Iterable[Unit]) -> Generator[tuple[list[RawImage], Judge, Future[Judged]]]:
        for unit in units:
            self._drafts.acquire()
            draft = _Draft(unit, self._job)
            try:
                for chunk in draft.chunks():
                    judging: Future[Judged] = Future()  # queued first, so that rows keep the order of the archive
                    self._scribe.submit(draft.take, judging, self._slots)
                    yield chunk, draft.how, judging
            except BaseException as exc:
                if not isinstance(exc, StoreError) or isinstance(exc, _STOPS):
                    self._scribe.submit(draft.abandon)
                    raise
                draft.error = exc
            self._ended.put(self._scribe.submit(draft.hand_over, self._committers))


def _stands_for_more(image: RawImage, failure: Failure) -> bool:
    """Whether a row stands for a shard, or for the rest of one."""
    kind = kind_of(image.member or image.key)
    cut = image.member is not None and failure.code == "truncated"
    return kind == "shard" or cut or (kind is None and failure.code == "unsupported")


class _Draft:
    """A unit in progress. It is made, and its ``chunks`` are read, in the threads that read; ``take``,
    ``hand_over`` and ``abandon`` run in the thread that writes, and ``end`` in one that commits."""

    def __init__(self, unit: Unit, job: Inspection) -> None:
        self.error: Exception | None = None
        self._unit, self._job = unit, job
        self.how = job.judge(unit.partition.line)
        self._squeezed: Counter[str] = Counter()
        self._unopened: list[str] = []
        self._grades: dict[str, tuple[str, ...]] = {}
        self._refused, self._refused_sample = 0, dict[str, str]()
        self._found, self._ignored, self._wrong = 0, Ignored(), SidecarErrors()
        self._seconds = Seconds()
        self._fetch_seconds = 0.0
        self._key = job.key_of(unit)
        engine = job.model.engine
        origin = Origin(
            unit=unit,
            spec=self.how.spec,
            model_digest=engine.digest,
            run_id=job.run_id,
            novelty=engine.novelty,
            severity=job.severity,
        )
        self._writer = UnitWriter(
            job.report,
            self._key,
            origin=origin,
            fingerprint=job.fingerprint(unit),
            hive=job.hive,
            framed=self.how.frame is not None,
        )

    def chunks(self) -> Iterator[list[RawImage]]:
        """The unit's images in batches; a batch is shorter if its images are large."""
        job = self._job
        most = job.model.batch_size if self.how.frame is None else min(_CHUNK_FRAMES, job.model.batch_size)
        chunk: list[RawImage] = []
        held = 0
        images = read_unit(job.archive, self._unit, job.template, job.limits, self._ignored, self._wrong)
        with closing(images):  # type: ignore[type-var]  # the readers are generators
            started = time.perf_counter()
            for image in images:
                self._found += 1
                chunk.append(image)
                if image.grade is not None and image.coil is not None:
                    self._grade(image.coil, image.grade)
                if isinstance(image.data, Failure):
                    self._note(image, image.data)
                else:
                    held += len(image.data)
                if len(chunk) >= most or held >= _CHUNK_BYTES:
                    self._fetch_seconds += time.perf_counter() - started
                    yield chunk
                    started, chunk, held = time.perf_counter(), [], 0
            self._fetch_seconds += time.perf_counter() - started
        if chunk:
            yield chunk

    def _grade(self, coil: str, grade: str) -> None:
        known = self._grades.get(coil, ())
        if grade not in known and len(known) < _GRADES:
            self._grades[coil] = (*known, grade)

    def _note(self, image: RawImage, failure: Failure) -> None:
        """Note an object that the store did not give, and a row that stands for a shard, or for the rest of one: nobody
        knows how many images are missing."""
        if image.member is None and failure.code in _REFUSED:
            self._refused += 1
            if len(self._refused_sample) < _REFUSED_SAMPLE:
                self._refused_sample[image.key] = failure.code
        elif _stands_for_more(image, failure) and len(self._unopened) < _UNOPENED:
            where = image.key if image.member is None else f"{image.key}: {image.member}"
            self._unopened.append(f"{where} ({failure})")

    def take(self, judging: Future[Judged], slots: threading.Semaphore) -> None:
        try:
            judged = judging.result()
            started = time.perf_counter()
            self._writer.append(judged)
            self._squeezed.update(squeezed(judged, self.how.spec))
            spent = time.perf_counter() - started
            self._seconds += Seconds(decode=judged.decode_seconds, infer=judged.infer_seconds, write=spent)
        except Exception as exc:  # noqa: BLE001  raised again by ``end``, in the thread that can stop the work
            self.error = self.error or exc
        finally:
            slots.release()

    def hand_over(self, committers: Executor) -> Future[Done]:
        """Write the last rows, and let another thread put the report."""
        started = time.perf_counter()
        try:
            self._writer.flush()
        except Exception as exc:  # noqa: BLE001  as in ``take``
            self.error = self.error or exc
        self._seconds += Seconds(write=time.perf_counter() - started)
        return committers.submit(self.end)

    def end(self) -> Done:
        started = time.perf_counter()
        wrong = self._wrong
        notes = Notes(
            ignored=tuple(self._ignored.sample),
            sidecar_errors=wrong.count,
            sidecar_sample=tuple(wrong.sample),
            sidecar_unused=wrong.unused,
            unopened=tuple(self._unopened),
            grades=self._grades,
            refused=self._refused,
            refused_sample=self._refused_sample,
        )
        with self._writer:
            if self.error is None:
                try:
                    counts = self._writer.commit(self._found, self._ignored.count, notes)
                except StoreError as exc:
                    self.error = exc
            if self.error is not None and (isinstance(self.error, _STOPS) or not isinstance(self.error, StoreError)):
                raise self.error
        spent = Seconds(fetch=self._fetch_seconds, write=time.perf_counter() - started)
        failed = self.error is not None
        return Done(
            unit=self._unit,
            key=self._key,
            counts=Counts() if failed else counts,
            seconds=self._seconds + spent,
            error=str(self.error) if failed else None,
            notes=NO_NOTES if failed else notes,
            squeezed=dict(self._squeezed),
        )

    def abandon(self) -> None:
        with self._writer:
            pass
