"""The results of a chunk of images as plain arrays, and their conversion to rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from steelflow.config import SeverityRule
from steelflow.models.decision import labels_at
from steelflow.models.novelty import Novelty
from steelflow.models.spec import ModelSpec
from steelflow.records import Failure, RawImage, Region, Unit
from steelflow.report.columns import known_numbers, numbers, same_day, same_text, some_numbers, texts, times, vectors
from steelflow.schema import PROBABILITY, QUALITY, STAMP, report_schema

Floats = npt.NDArray[np.float32]
Spread = Callable[[npt.NDArray[Any], pa.DataType], pa.Array]


class ImagePlace(NamedTuple):
    """Where an image was found: a ``RawImage`` without its bytes and its grade."""

    key: str
    member: str | None
    ordinal: int
    coil: str | None = None
    position: float | None = None
    captured_at: dt.datetime | None = None
    camera: str | None = None
    side: str | None = None
    frame: int | None = None
    mm_across: float | None = None
    mm_along: float | None = None


def place_of(image: RawImage) -> ImagePlace:
    return ImagePlace._make(image[:3] + image[4:12])


class Found(NamedTuple):
    """A region of image ``image`` (an index of ``Judged.places``), its number there, and its place on the strip: metres
    from the coil's head and millimetres across to its centre, millimetres along and across, NaN where not known."""

    image: int
    number: int
    region: Region
    along: float
    across_mm: float
    length_mm: float
    width_mm: float
    area_mm2: float


@dataclass(frozen=True, slots=True)
class Framed:
    """What frames have beside other images. ``lengths`` (G,), in metres, has NaN where the scale is not known.
    ``found`` is in order of the images, the worst region of each first; None if the model has no good classes."""

    lengths: Floats
    found: list[Found] | None


@dataclass(frozen=True, slots=True)
class Judged:
    """N images in order. ``good`` has the indices of the G classified images. ``probabilities`` (G, C), ``embedding``
    (G, E), ``energy`` (G,), ``quality`` (G, 4) and ``sizes`` (G, 2: height, width) have the same order as ``good``.
    ``framed`` is None for images that were judged as a whole. ``wide`` and ``bits`` are as in ``writer.Counts``."""

    places: list[ImagePlace]
    failures: dict[int, Failure]
    good: npt.NDArray[np.intp]
    probabilities: Floats
    embedding: Floats
    energy: Floats
    quality: Floats
    sizes: npt.NDArray[np.int32]
    framed: Framed | None = None
    decode_seconds: float = 0.0
    infer_seconds: float = 0.0
    wide: int = 0
    bits: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """The values that all rows of a unit share."""

    unit: Unit
    spec: ModelSpec
    model_digest: str
    run_id: str
    novelty: Novelty | None = None
    severity: tuple[SeverityRule, ...] = ()
    inferred_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))


def joined(chunks: list[Judged]) -> Judged:
    """Chunks joined in order."""
    starts = np.cumsum([0, *(len(chunk.places) for chunk in chunks)])[:-1]
    moved = list(zip(starts, chunks, strict=True))
    return Judged(
        places=[place for chunk in chunks for place in chunk.places],
        failures={int(start) + i: failure for start, chunk in moved for i, failure in chunk.failures.items()},
        good=np.concatenate([chunk.good + start for start, chunk in moved]),
        probabilities=np.concatenate([chunk.probabilities for chunk in chunks]),
        embedding=np.concatenate([chunk.embedding for chunk in chunks]),
        energy=np.concatenate([chunk.energy for chunk in chunks]),
        quality=np.concatenate([chunk.quality for chunk in chunks]),
        sizes=np.concatenate([chunk.sizes for chunk in chunks]),
        framed=_joined_frames(moved),
    )


def _joined_frames(moved: list[tuple[np.int64, Judged]]) -> Framed | None:
    framed = [(int(start), chunk.framed) for start, chunk in moved if chunk.framed is not None]
    if not framed:
        return None
    lengths = np.concatenate([one.lengths for _, one in framed])
    if any(one.found is None for _, one in framed):
        return Framed(lengths, None)
    return Framed(lengths, [f._replace(image=f.image + start) for start, one in framed for f in one.found or ()])


def rows(judged: Judged, origin: Origin) -> pa.Table:
    """The chunk as a table of ``report_schema``, one row per image, in order."""
    count = len(judged.places)
    classes, probabilities = origin.spec.classes, judged.probabilities
    label, confidence, margin, entropy = verdicts(probabilities, origin.spec)

    missing = None
    if len(judged.good) < count:
        missing = np.ones(count, bool)
        missing[judged.good] = False

    def spread(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
        """The values of the good images in the rows of all images; null for failed ones."""
        return numbers(_all_rows(values, judged.good, count), kind, missing)

    f32 = pa.float32()
    keys, members, ordinals, coils, positions, captured, *frames = zip(*judged.places, strict=True)
    partition, spec = origin.unit.partition, origin.spec
    columns: dict[str, pa.Array] = {
        "object_key": texts(keys),
        "member": texts(members),
        "ordinal": some_numbers(ordinals, pa.int32()),
        "line": same_text(partition.line, count),
        "date": same_day(partition.date, count),
        "coil": texts(coils),
        "position": some_numbers(positions, pa.float64()),
        "captured_at": times(captured, STAMP),
        "width": spread(judged.sizes[:, 1], pa.int32()),
        "height": spread(judged.sizes[:, 0], pa.int32()),
        **_framed(judged, frames, spread, missing),
        "status": texts(["failed" if i in judged.failures else "ok" for i in range(count)]),
        "error": texts([str(judged.failures[i]) if i in judged.failures else None for i in range(count)]),
        "label": texts(_labels(label, judged, classes)),
        "confidence": spread(confidence, f32),
        **{PROBABILITY + name: spread(probabilities[:, c], f32) for c, name in enumerate(classes)},
        "margin": spread(margin, f32),
        "entropy": spread(entropy, f32),
        "energy": spread(judged.energy, f32),
        **_novelty(judged, origin.novelty, spread),
        **{name: spread(judged.quality[:, q], f32) for q, name in enumerate(QUALITY)},
        "embedding": _embeddings(judged, spec.embedding_dims, missing),
        "model_name": same_text(spec.name, count),
        "model_version": same_text(spec.version, count),
        "model_digest": same_text(origin.model_digest, count),
        "unit_id": same_text(origin.unit.id, count),
        "run_id": same_text(origin.run_id, count),
        "inferred_at": times([origin.inferred_at] * count, STAMP),
    }
    return pa.table(columns, schema=report_schema(classes, spec.embedding_dims, judged.framed is not None))


def _all_rows(values: npt.NDArray[Any], good: npt.NDArray[np.intp], count: int) -> npt.NDArray[Any]:
    """The values of the good images at their places among ``count`` rows; zero elsewhere."""
    if len(good) == count:
        return values
    full = np.zeros((count, *values.shape[1:]), values.dtype)
    full[good] = values
    return full


def _labels(label: npt.NDArray[np.intp], judged: Judged, classes: Sequence[str]) -> list[str | None]:
    """The class of each image; None for a failed one."""
    found: list[str | None] = [None] * len(judged.places)
    for place, index in zip(judged.good.tolist(), label.tolist(), strict=True):
        found[place] = classes[index]
    return found


def verdicts(
    probabilities: Floats, spec: ModelSpec | None = None
) -> tuple[npt.NDArray[np.intp], Floats, Floats, Floats]:
    """Label index, confidence of the label, margin of the two most probable classes and entropy (−Σ p ln p, nats), each
    (N,), from probabilities (N, C). ``spec`` gives the good classes and the operating point."""
    top = np.partition(probabilities, -2, axis=1)[:, -2:]
    if spec is None or spec.operating_point is None:
        label, confidence = probabilities.argmax(axis=1), top[:, 1]
    else:
        label = labels_at(probabilities, spec)
        confidence = np.take_along_axis(probabilities, label[:, None], axis=1)[:, 0]
    logs = np.log(np.clip(probabilities, 1e-12, None))
    entropy = np.maximum(0, -(probabilities * logs).sum(axis=1))
    return label, confidence, top[:, 1] - top[:, 0], entropy.astype(np.float32)


def _framed(
    judged: Judged,
    frames: Sequence[tuple[Any, ...]],
    spread: Spread,
    missing: npt.NDArray[np.bool_] | None,
) -> dict[str, pa.Array]:
    """The columns that only frames have."""
    if judged.framed is None:
        return {}
    cameras, sides, places, *_ = frames
    lengths = _all_rows(judged.framed.lengths, judged.good, len(judged.places))
    columns = {
        "camera": texts(cameras),
        "side": texts(sides),
        "frame": some_numbers(places, pa.int32()),
        "length": known_numbers(lengths, pa.float32(), missing),
    }
    if judged.framed.found is None:
        count = len(judged.places)
        return columns | {"regions": pa.nulls(count, pa.int32()), "defect_area": pa.nulls(count, pa.int64())}
    counts, areas = np.zeros(len(judged.places), np.int32), np.zeros(len(judged.places), np.int64)
    for found in judged.framed.found:
        counts[found.image] += 1
        areas[found.image] += found.region.area
    return columns | {
        "regions": spread(counts[judged.good], pa.int32()),
        "defect_area": spread(areas[judged.good], pa.int64()),
    }


def _novelty(judged: Judged, known: Novelty | None, spread: Spread) -> dict[str, pa.Array]:
    if known is None:
        count = len(judged.places)
        return {"novelty": pa.nulls(count, pa.float32()), "novel": pa.nulls(count, pa.bool_())}
    distance = known.distance(judged.embedding)
    novel = known.novel(distance, judged.energy)
    return {"novelty": spread(distance, pa.float32()), "novel": spread(novel, pa.bool_())}


def _embeddings(judged: Judged, dims: int, missing: npt.NDArray[np.bool_] | None) -> pa.Array:
    full = _all_rows(judged.embedding.astype(np.float16), judged.good, len(judged.places))
    return vectors(full, pa.list_(pa.field("item", pa.float16(), nullable=False), dims), missing)
