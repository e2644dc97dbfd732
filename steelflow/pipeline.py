"""The hot path: work units in, committed reports out.

One thread reads, ``workers`` threads each decode and classify whole chunks (everything that touches an image there
releases the GIL), one thread writes. A fixed number of chunks is under way at once, so memory depends neither on the
size of a unit nor on the number of units; and chunks of the next unit follow those of the last without a gap.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from steelflow.archive.names import Ignored
from steelflow.archive.readers import read_unit
from steelflow.archive.template import KeyTemplate
from steelflow.archive.units import fingerprint
from steelflow.config import MIB, LimitSettings, Settings
from steelflow.decode import decode, resize
from steelflow.engine import Engine, Outputs, open_engine
from steelflow.engine.batch import choose_batch_size
from steelflow.errors import AccessDenied, StoreError, StoreUnreachable
from steelflow.models.shipped import resolve
from steelflow.quality import QUALITY, measure
from steelflow.records import Failure, RawImage, Unit
from steelflow.report.judged import Judged, Origin, Place
from steelflow.report.writer import Counts, UnitWriter
from steelflow.schema import PIPELINE_VERSION
from steelflow.store.base import Store

_CHUNK_BYTES = 16 * MIB
_CHUNKS_PER_WORKER = 3
_DRAFTS = 16  # units that wait to be written: each holds a file open
_STOPS = (StoreUnreachable, AccessDenied)  # what the next unit would meet as well


@dataclass(frozen=True, slots=True)
class Seconds:
    """Time spent by stage, summed over threads; ``wait`` is what the reader waited for the others."""

    fetch: float = 0.0
    decode: float = 0.0
    infer: float = 0.0
    write: float = 0.0

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(*(a + b for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Done:
    """A unit whose report is in place, or, with ``error``, one that has to be run again."""

    unit: Unit
    key: str
    counts: Counts
    seconds: Seconds
    error: str | None = None

    def light(self) -> Done:
        """Without the unit's list of objects: a night keeps thousands of these."""
        return dataclasses.replace(self, unit=dataclasses.replace(self.unit, objects=()))


@dataclass(frozen=True, slots=True)
class Model:
    """An engine with the batch size and the number of threads that suit it here."""

    engine: Engine
    batch_size: int
    workers: int


def new_run_id() -> str:
    """A name for a run that sorts by time: ``20261118T013000Z-1f2e3d``."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def load_model(settings: Settings) -> Model:
    """Resolve, load and tune the configured model. Raises ``ModelError`` or ``EngineError``."""
    engine = open_engine(resolve(settings.model.ref), settings.model.engine)
    workers = settings.model.workers or len(os.sched_getaffinity(0))
    batch = settings.model.batch_size or choose_batch_size(engine, settings.model.memory_limit_mib, workers)
    return Model(engine, batch, workers)


@dataclass(frozen=True, slots=True)
class Inspection:
    """All that inspecting a unit needs beside the unit.

    ``key_of`` derives the report's key from the unit; ``hive`` says that line and date stand in that key.
    """

    archive: Store
    report: Store
    template: KeyTemplate
    limits: LimitSettings
    model: Model
    run_id: str
    key_of: Callable[[Unit], str]
    hive: bool

    def fingerprint(self, unit: Unit) -> str:
        how = f"{PIPELINE_VERSION} {self.limits.model_dump_json()} {self.template.text}"
        return fingerprint(unit, self.model.engine.digest, how)


def inspect(units: Iterable[Unit], job: Inspection) -> Iterator[Done]:
    """Inspect units and commit a report for each, in order.

    Raises:
        StoreUnreachable, AccessDenied: nothing more can be done now; reports that are committed stay. Any other
            trouble with one unit is in its ``Done.error``, and the others go on.
    """
    workers = job.model.workers
    slots = threading.Semaphore(_CHUNKS_PER_WORKER * workers)
    ending: deque[Future[Done]] = deque()
    with (
        ThreadPoolExecutor(1, thread_name_prefix="write") as scribe,
        ThreadPoolExecutor(workers, thread_name_prefix="judge") as judges,
    ):
        for unit in units:
            draft = _Draft(unit, job)
            try:
                for chunk in draft.chunks():
                    slots.acquire()
                    judged = judges.submit(judge, chunk, job.model.engine, job.limits)
                    scribe.submit(draft.take, judged, slots)
            except BaseException as exc:
                if not isinstance(exc, StoreError) or isinstance(exc, _STOPS):
                    scribe.submit(draft.abandon)
                    raise
                draft.error = exc
            ending.append(scribe.submit(draft.end))
            while ending and (ending[0].done() or len(ending) > _DRAFTS):
                yield ending.popleft().result()
        while ending:
            yield ending.popleft().result()


def judge(images: list[RawImage], engine: Engine, limits: LimitSettings) -> Judged:
    """Decode, measure and classify a chunk. What cannot be decoded is a failure in its place."""
    started = time.perf_counter()
    count, size = len(images), engine.spec.input_size
    batch = np.empty((count, 1, size, size), np.uint8)
    quality = np.empty((count, len(QUALITY)), np.float32)
    sizes = np.empty((count, 2), np.int32)
    good = np.empty(count, np.intp)
    failures: dict[int, Failure] = {}
    ok = 0
    for i, image in enumerate(images):
        grey = image.data if isinstance(image.data, Failure) else decode(image.data, limits)
        if isinstance(grey, Failure):
            failures[i] = grey
            continue
        batch[ok, 0] = resize(grey, size)
        quality[ok] = measure(grey)
        sizes[ok] = grey.shape
        good[ok] = i
        ok += 1
    decoded = time.perf_counter()
    outputs = engine.run(batch[:ok]) if ok else _nothing(engine)
    return Judged(
        [Place(i.key, i.member, i.ordinal, i.coil, i.position, i.captured_at) for i in images],
        failures,
        good[:ok],
        outputs.probabilities,
        outputs.embedding,
        quality[:ok],
        sizes[:ok],
        decoded - started,
        time.perf_counter() - decoded,
    )


def _nothing(engine: Engine) -> Outputs:
    spec = engine.spec
    return Outputs(np.empty((0, len(spec.classes)), np.float32), np.empty((0, spec.embedding_dims), np.float32))


class _Draft:
    """A unit on its way: ``chunks`` runs in the reading thread, everything else in the writing thread."""

    def __init__(self, unit: Unit, job: Inspection) -> None:
        self.error: Exception | None = None
        self._unit, self._job = unit, job
        self._found, self._ignored = 0, Ignored()
        self._seconds = Seconds()
        self._fetch_seconds = 0.0
        self._key = job.key_of(unit)
        origin = Origin(unit, job.model.engine.spec, job.model.engine.digest, job.run_id)
        self._writer = UnitWriter(job.report, self._key, origin, job.fingerprint(unit), job.hive)

    def chunks(self) -> Iterator[list[RawImage]]:
        """The unit's images in batches, cut short where their bytes would be many."""
        job = self._job
        chunk: list[RawImage] = []
        held = 0
        images = read_unit(job.archive, self._unit, job.template, job.limits, self._ignored)
        with closing(images):  # type: ignore[type-var]  # the readers are generators
            started = time.perf_counter()
            for image in images:
                self._found += 1
                chunk.append(image)
                held += 0 if isinstance(image.data, Failure) else len(image.data)
                if len(chunk) >= job.model.batch_size or held >= _CHUNK_BYTES:
                    self._fetch_seconds += time.perf_counter() - started
                    yield chunk
                    started, chunk, held = time.perf_counter(), [], 0
            self._fetch_seconds += time.perf_counter() - started
        if chunk:
            yield chunk

    def take(self, judging: Future[Judged], slots: threading.Semaphore) -> None:
        try:
            judged = judging.result()
            started = time.perf_counter()
            self._writer.append(judged)
            spent = time.perf_counter() - started
            self._seconds += Seconds(0.0, judged.decode_seconds, judged.infer_seconds, spent)
        except Exception as exc:  # noqa: BLE001  raised again by ``end``, in the thread that can stop the work
            self.error = self.error or exc
        finally:
            slots.release()

    def end(self) -> Done:
        started = time.perf_counter()
        with self._writer:
            if self.error is None:
                try:
                    counts = self._writer.commit(self._found, self._ignored.count)
                except StoreError as exc:
                    self.error = exc
            if self.error is not None and (isinstance(self.error, _STOPS) or not isinstance(self.error, StoreError)):
                raise self.error
        spent = Seconds(fetch=self._fetch_seconds, write=time.perf_counter() - started)
        if self.error is not None:
            return Done(self._unit, self._key, Counts(), self._seconds + spent, str(self.error))
        return Done(self._unit, self._key, counts, self._seconds + spent)

    def abandon(self) -> None:
        with self._writer:
            pass
