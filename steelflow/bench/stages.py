"""Images per second of one stage alone, or end to end; one function per figure."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from steelflow.archive.readers import read_unit
from steelflow.bench.sources import TEMPLATE, Source
from steelflow.config import FrameSettings, LimitSettings
from steelflow.engine import Engine
from steelflow.errors import DataError
from steelflow.images.decode import decode, resize
from steelflow.images.quality import measure
from steelflow.inspection.pipeline import Inspection, Model, inspect_units
from steelflow.records import Failure, Unit
from steelflow.store.local import LocalStore


def fetch_only(source: Source) -> float:
    """Read every image of the source, without decoding."""
    started, count = time.perf_counter(), 0
    for unit in source.units:
        for _ in read_unit(source.store, unit, TEMPLATE, LimitSettings()):
            count += 1
    return count / (time.perf_counter() - started)


def decode_only(images: Sequence[bytes], count: int, size: int, workers: int) -> float:
    """Decode, measure and resize on all workers, from memory."""
    limits = LimitSettings()

    def work(start: int) -> None:
        for i in range(start, count, workers):
            grey = decode(images[i % len(images)], limits)
            if isinstance(grey, Failure):
                raise DataError(f"benchmark image {i % len(images)} cannot be decoded: {grey}")
            measure(grey)
            resize(grey, size)

    return count / _on_all(work, workers)


def decode_frames(images: Sequence[bytes], count: int, workers: int) -> None:
    """Decode on all workers, from memory, and do nothing else."""
    limits = LimitSettings()

    def work(start: int) -> None:
        for i in range(start, count, workers):
            if isinstance(grey := decode(images[i % len(images)], limits), Failure):
                raise DataError(f"benchmark frame {i % len(images)} cannot be decoded: {grey}")

    _on_all(work, workers)


def infer_only(engine: Engine, batch_size: int, count: int, workers: int) -> float:
    """Classify on all workers, from memory."""
    size = engine.spec.input_size
    batch = np.random.default_rng(0).integers(0, 256, (batch_size, 1, size, size), dtype=np.uint8)
    rounds = max(1, count // batch_size // workers)

    def work(_: int) -> None:
        for _ in range(rounds):
            engine.run(batch)

    return rounds * workers * batch_size / _on_all(work, workers)


def end_to_end(source: Source, model: Model, frame: FrameSettings | None = None) -> float:
    """Inspect the whole source: archive in, committed Parquet reports out."""

    def key_of(unit: Unit) -> str:
        return f"{unit.id}.parquet"

    with tempfile.TemporaryDirectory() as folder:
        report = LocalStore(Path(folder))
        job = Inspection(
            source.store, report, TEMPLATE, LimitSettings(), model, "bench", key_of=key_of, hive=False, frame=frame
        )
        started, count = time.perf_counter(), 0
        for done in inspect_units(source.units, job):
            if done.error is not None or done.counts.failed:
                raise DataError(f"benchmark: {done.unit.id}: {done.error or 'images failed'}")
            count += done.counts.found
        return count / (time.perf_counter() - started)


def _on_all(work: Callable[[int], None], workers: int) -> float:
    with ThreadPoolExecutor(workers) as pool:
        started = time.perf_counter()
        for future in [pool.submit(work, i) for i in range(workers)]:
            future.result()
        return time.perf_counter() - started
