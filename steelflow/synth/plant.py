"""A synthetic plant: lines roll coils every night, and their cameras write an archive.

A picture depends only on (seed, line, date, coil, number) and on the camera and class mix of its place. Its name
depends on the same values except the camera. So a plant can be made in parts or made larger later; existing images do
not change.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from steelflow.synth.camera import Camera, photograph
from steelflow.synth.coils import Coil, Place, Put, at, breakages, check, coils, dates, generator, insist
from steelflow.synth.files import SHARD_KINDS, ShardKind, broken, jpeg, packed
from steelflow.synth.strip import Strip
from steelflow.synth.textures import CLASSES, surface

Mix = Mapping[str, float]  # class to weight; the weights need not sum to one

# The ``archive.template`` that reads all values from a plant's keys; in shards, from the member names.
TEMPLATE = "line={line}/date={date}/coil={coil}/{captured_at}_{position}m_{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantSpec:
    """The specification of a plant.

    Attributes:
        seed: another seed gives another plant.
        lines: line names, as in the keys; see ``line_names``.
        start: the first night; there are ``nights`` consecutive nights.
        coils, images: coils per line and night, images per coil.
        sharded: share 0..1 of the coils that are stored as one shard each; the ``kinds`` alternate.
        broken: broken files in each partition (line and date), in addition to the images.
        mix: weight of each class; a class without a weight does not occur.
        dominance: share 0..1 of a coil's images that show the coil's main defect; the rest follow the mix.
        camera: takes every picture, unless ``cameras`` has another one for the line, or for the line and night.
        mixes: class mixes for a line, or for a line and night.
        size, quality: pixels on a side, JPEG quality; the defaults give files of about 10 kB.
    """

    seed: int = 0
    lines: tuple[str, ...] = ("L1", "L2")
    start: dt.date = dt.date(2026, 11, 1)
    nights: int = 3
    coils: int = 6
    images: int = 50
    sharded: float = 0.5
    kinds: tuple[ShardKind, ...] = SHARD_KINDS
    broken: int = 3
    mix: Mix = field(default_factory=lambda: dict.fromkeys(CLASSES, 1.0))
    dominance: float = 0.5
    camera: Camera = field(default_factory=Camera)
    cameras: Mapping[Place, Camera] = field(default_factory=dict)
    mixes: Mapping[Place, Mix] = field(default_factory=dict)
    size: int = 200
    quality: int = 90

    def __post_init__(self) -> None:
        check(self)
        insist(self.images >= 1, "nights, coils and images must be at least 1")
        insist(0 <= self.dominance <= 1, f"dominance {self.dominance} must be 0 to 1")
        insist(0 <= self.broken <= self.coils * self.images, f"broken {self.broken} must be 0 to coils times images")
        insist(self.size >= 32, f"size {self.size} must be at least 32 pixels")
        for mix in (self.mix, *self.mixes.values()):
            unknown = ", ".join(sorted(set(mix) - set(CLASSES)))
            insist(not unknown, f"mix: no class {unknown}; the classes are {', '.join(CLASSES)}")
            weights = list(mix.values())
            insist(
                min(weights, default=-1.0) >= 0 and sum(weights) > 0, "mix: weights must be 0 or more, and not all 0"
            )

    @property
    def dates(self) -> tuple[dt.date, ...]:
        return dates(self)


class Shot(NamedTuple):
    """One image before it is taken. ``rng`` is ready to draw the picture. ``number`` counts in the order of creation,
    not along the coil, so that a plant with more images contains the same images."""

    position: float
    number: int
    name: str
    label: str
    rng: np.random.Generator


@dataclass(frozen=True, slots=True)
class Truth:
    """The true label of one image of the archive. ``member`` is None for a loose object."""

    key: str
    member: str | None
    label: str


@dataclass(frozen=True, slots=True)
class PlantSummary:
    """Counts of the written files. ``images`` counts the readable images of the archive, ``objects`` its keys."""

    objects: int
    images: int
    broken: int
    labelled: int
    bytes: int


def objects(spec: PlantSpec) -> Iterator[tuple[str, bytes]]:
    """The archive as (key, bytes). The keys match ``TEMPLATE`` and also the default ``archive.template``, which reads
    time and position as a part of the name. Only one coil is in memory at a time."""
    for coil in coils(spec):
        files = _files(spec, coil)
        if coil.shard is None:
            for name, data in files:
                yield coil.address(name)[0], data
        else:
            yield coil.address("")[0], packed(files, coil.shard)


def truth(spec: PlantSpec) -> Iterator[Truth]:
    """One row for each image of the archive that is not broken. Fast, because it draws no pictures."""
    for coil in coils(spec):
        for shot in _shots(spec, coil):
            yield Truth(*coil.address(f"{shot.name}.jpg"), shot.label)


def labelled(spec: PlantSpec, per_class: int) -> Iterator[tuple[str, bytes]]:
    """Training images as (``<class>/<name>.jpg``, bytes), taken by ``spec.camera``. They are not in the archive."""
    for label in CLASSES:
        for index in range(per_class):
            rng = generator(spec.seed, "labelled", label, index)
            yield f"{label}/{index:05d}.jpg", _picture(spec, label, spec.camera, rng)


def write_plant(spec: PlantSpec, put: Put, per_class: int = 100) -> PlantSummary:
    """Write a plant with ``put(key, data)``: ``images/<archive key>``, ``labelled/<class>/…`` and ``truth.csv``.

    ``truth.csv`` has the columns key, member (empty for a loose object) and label. Its keys are archive keys, without
    ``images/``.
    """
    count = size = 0
    for key, data in objects(spec):
        put(f"images/{key}", data)
        count, size = count + 1, size + len(data)
    for path, data in labelled(spec, per_class):
        put(f"labelled/{path}", data)
        size += len(data)
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("key", "member", "label"))
    rows.writerows((row.key, row.member or "", row.label) for row in truth(spec))
    put("truth.csv", table.getvalue().encode())
    partitions = len(spec.lines) * spec.nights
    return PlantSummary(
        objects=count,
        images=partitions * spec.coils * spec.images,
        broken=partitions * spec.broken,
        labelled=per_class * len(CLASSES),
        bytes=size,
    )


def _files(spec: PlantSpec, coil: Coil) -> Iterator[tuple[str, bytes]]:
    """A coil's files in the order of their names. A broken file is a second, failed copy of a picture."""
    camera = at(spec.cameras, coil, spec.camera)
    again = dict(breakages(spec, coil))
    for shot in _shots(spec, coil):
        data = _picture(spec, shot.label, camera, shot.rng)
        yield f"{shot.name}.jpg", data
        if shot.number in again:
            yield f"{shot.name}_2.jpg", broken(data, again[shot.number])


def _shots(spec: PlantSpec, coil: Coil) -> list[Shot]:
    """A coil's images from its head to its tail."""
    state = _state(spec, coil)
    strip = Strip(coil.date, coil.number, spec.coils, generator(spec.seed, coil.line, coil.date, coil.name, "strip"))
    shots = []
    for number in range(spec.images):
        rng = generator(spec.seed, coil.line, coil.date, coil.name, number)
        label = _label(spec, coil, state, rng)
        position = strip.place(label)
        name = f"{strip.seen_at(position):%Y%m%dT%H%M%SZ}_{position:07.2f}m_{number:05d}"
        shots.append(Shot(position, number, name, label, rng))
    return sorted(shots, key=lambda shot: (shot.position, shot.number))


def _picture(spec: PlantSpec, label: str, camera: Camera, rng: np.random.Generator) -> bytes:
    return jpeg(photograph(surface(label, rng, spec.size), camera, rng), spec.quality)


def _state(spec: PlantSpec, coil: Coil) -> str:
    """The main defect of a coil."""
    return _drawn(at(spec.mixes, coil, spec.mix), generator(spec.seed, coil.line, coil.date, coil.name))


def _label(spec: PlantSpec, coil: Coil, state: str, rng: np.random.Generator) -> str:
    """The label of an image. It uses the first draws of ``rng``, so that ``truth`` need not draw the picture."""
    other = _drawn(at(spec.mixes, coil, spec.mix), rng)
    return state if rng.random() < spec.dominance else other


def _drawn(mix: Mix, rng: np.random.Generator) -> str:
    # In the order of CLASSES, so that the order of the mix does not matter.
    shares = np.cumsum([mix.get(label, 0.0) for label in CLASSES])
    return CLASSES[int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))]
