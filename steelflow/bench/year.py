"""Generate a year of reports as Parquet, without images.

Every file has the schema, footer and row groups of a real report. Every partition has its summary, made as in a nightly
run. The figures have few distinct values, so that fifty million rows fit on a laptop's disk.
"""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from steelflow.records import Partition
from steelflow.report.layout import REPORTS, folder, run_key
from steelflow.report.record import RunModel, RunRecord, RunUnits
from steelflow.report.summary import write_summary
from steelflow.report.writer import COUNTS, FINGERPRINT, ROW_GROUP
from steelflow.schema import PROBABILITY, SCHEMA_VERSION, STAMP, report_schema
from steelflow.store.base import Store

CLASSES = ("crazing", "inclusion", "patches", "pitted_surface", "rolled-in_scale", "scratches")
_DIMS = 16
_FAILED = 0.002
_FEW = 20
_STEPS = 64  # distinct values per figure
DIGEST = "0" * 64
_THREADS = 2
_REIGN = 90  # nights per model version


@dataclass(frozen=True, slots=True)
class YearSpec:
    """``images`` per line and night, on ``coils`` coils, in files of at most ``unit_images`` rows. The first night has
    20 images per line: its page should open as fast as the others."""

    start: dt.date = dt.date(2025, 11, 20)
    nights: int = 365
    lines: tuple[str, ...] = ("L1", "L2", "L3", "L4", "L5")
    images: int = 30_000
    coils: int = 40
    unit_images: int = 8192
    seed: int = 0

    def images_of(self, date: dt.date) -> int:
        """Images per line; a line may have up to 15 % fewer."""
        return min(_FEW, self.images) if date == self.start else self.images

    def partitions(self) -> Iterator[Partition]:
        for night in range(self.nights):
            for line in self.lines:
                yield Partition(line, self.start + dt.timedelta(days=night))


def write_year(store: Store, spec: YearSpec, tell: Callable[[int], None] = lambda _: None) -> None:
    """Write reports, summaries and run records below ``store``; ``tell`` gets the rows of each partition written."""
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="year") as pool:
        for rows in pool.map(lambda partition: _write(store, spec, partition), spec.partitions()):
            tell(rows)
    for night in range(spec.nights):
        date = spec.start + dt.timedelta(days=night)
        store.put(run_key(date, "bench"), _record(spec, date).to_json())


def _write(store: Store, spec: YearSpec, partition: Partition) -> int:
    table = rows_of(spec, partition)
    for number, start in enumerate(range(0, table.num_rows, spec.unit_images)):
        part = table.slice(start, spec.unit_images)
        failed = int(pc.sum(pc.equal(part["status"], "failed")).as_py() or 0)
        counts = [part.num_rows, part.num_rows - failed, failed, 0]
        told = {FINGERPRINT: f"bench {number}".encode(), COUNTS: json.dumps(counts).encode()}
        kept = {b"steelflow.schema_version": str(SCHEMA_VERSION).encode(), **told}
        buffer = io.BytesIO()
        pq.write_table(part.replace_schema_metadata(kept), buffer, compression="zstd", row_group_size=ROW_GROUP)
        store.put(f"{REPORTS}{folder(partition)}b{number:04d}.parquet", buffer.getvalue())
    write_summary(store, partition)
    return int(table.num_rows)


def rows_of(spec: YearSpec, partition: Partition) -> pa.Table:
    """The rows of a partition, without line and date, as in a file of a hive folder."""
    assert partition.date is not None
    day = (partition.date - spec.start).days
    line = spec.lines.index(str(partition.line))
    random = np.random.default_rng((spec.seed, day, line))
    images = spec.images_of(partition.date)
    count = int(images * random.uniform(0.85, 1.0)) if images > 100 else images
    failed = random.random(count) < _FAILED
    label = random.choice(len(CLASSES), count, p=_mix(day, line))
    top = 1 - random.integers(0, _STEPS, count) ** 2 / (1.7 * _STEPS**2)  # values in every confidence band
    probabilities = np.repeat(((1 - top) / (len(CLASSES) - 1))[:, None], len(CLASSES), axis=1)
    probabilities[np.arange(count), label] = top
    coil = np.sort(random.integers(0, spec.coils, count))
    number = np.arange(count)
    of_good, figure = partial(pa.array, mask=failed), partial(_figure, random, count)
    f32, string = pa.float32(), pa.string()
    names = np.array(CLASSES, dtype=object)
    prototypes = np.random.default_rng(1).normal(size=(_STEPS, _DIMS)).astype(np.float16)
    flat = pa.array(prototypes[random.integers(0, _STEPS, count)].ravel(), pa.float16())
    item = pa.field("item", pa.float16(), nullable=False)
    columns: dict[str, pa.Array] = {
        "object_key": _text(number, f"line={partition.line}/date={partition.date}/", ".jpg"),
        "member": _same(None, string, count),
        "ordinal": _same(0, pa.int32(), count),
        "coil": _text(coil, f"C{day:03d}"),
        "position": pa.array((number - np.searchsorted(coil, coil)) * 0.25, pa.float64()),
        "captured_at": _same(None, STAMP, count),
        "width": of_good(np.full(count, 200), pa.int32()),
        "height": of_good(np.full(count, 200), pa.int32()),
        "status": pa.array(np.where(failed, "failed", "ok"), string),
        "error": pa.array(np.where(failed, "truncated: the file ends early", ""), string, mask=~failed),
        "label": of_good(names[label], string),
        "confidence": of_good(top, f32),
        **{PROBABILITY + name: of_good(probabilities[:, c], f32) for c, name in enumerate(CLASSES)},
        "margin": of_good(top - (1 - top) / (len(CLASSES) - 1), f32),
        "entropy": of_good(1 - top, f32),
        "energy": of_good(figure(-12, -4), f32),
        "novelty": of_good(figure(0, 1.1), f32),
        "novel": of_good(random.random(count) < 0.003, pa.bool_()),
        "brightness": of_good(figure(90, 150), f32),
        "contrast": of_good(figure(20, 50), f32),
        "sharpness": of_good(figure(50, 400), f32),
        "saturation": of_good(figure(0, 0.05), f32),
        "embedding": pa.FixedSizeListArray.from_arrays(flat, type=pa.list_(item, _DIMS)),
        "model_name": _same("steelnet", string, count),
        "model_version": _same(_version(day), string, count),
        "model_digest": _same(DIGEST, string, count),
        "unit_id": _text(number // spec.unit_images, "b"),
        "run_id": _same("bench", string, count),
        "inferred_at": _same(dt.datetime.combine(partition.date, dt.time(2), dt.UTC), STAMP, count),
    }
    schema = report_schema(CLASSES, _DIMS)
    hive = pa.schema([field for field in schema if field.name not in ("line", "date")])
    return pa.table(columns, schema=hive)


def _text(values: npt.NDArray[np.generic], before: str, after: str = "") -> pa.Array:
    return pc.binary_join_element_wise(before, pa.array(values).cast(pa.string()), after, "")


def _figure(random: np.random.Generator, count: int, low: float, high: float) -> npt.NDArray[np.float64]:
    return low + (high - low) * random.integers(0, _STEPS, count) / _STEPS


def _same(value: object, kind: pa.DataType, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), count)


def _version(day: int) -> str:
    return str(1 + day // _REIGN)


def _mix(day: int, line: int) -> npt.NDArray[np.float64]:
    """Class weights that change with the season and differ by line."""
    turn = 2 * np.pi * (day / 180 + np.arange(len(CLASSES)) / len(CLASSES) + line / 5)
    weights = 1.2 + 0.5 * np.sin(turn)
    return np.asarray(weights / weights.sum())


def _record(spec: YearSpec, date: dt.date) -> RunRecord:
    images = spec.images_of(date) * len(spec.lines)
    at = dt.datetime.combine(date, dt.time(2), dt.UTC)
    return RunRecord(
        run_id="bench",
        date=date,
        state="complete",
        started_at=at,
        finished_at=at + dt.timedelta(seconds=60),
        found=images,
        ok=images,
        units=RunUnits(done=len(spec.lines)),
        judged=images,
        seconds=60.0,
        stage_seconds={"fetch": 20.0, "decode": 40.0, "infer": 50.0, "write": 5.0},
        lines=spec.lines,
        model=RunModel(name="steelnet", version=_version((date - spec.start).days), digest=DIGEST),
    )
