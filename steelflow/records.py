"""The nouns that every room shares: small, typed, immutable, without behaviour."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple


class ObjectInfo(NamedTuple):
    """What a store says about one object. ``key`` is relative to the root of the store that listed it."""

    key: str
    size: int
    etag: str
    modified: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Partition:
    """One line and one date. A night consists of partitions. Both are None for a source without lines and dates."""

    line: str | None
    date: dt.date | None


UnitKind = Literal["loose", "shard"]
UNIT_ID = re.compile(r"loose(-[01]+)?|shard-.*[0-9a-f]{12}")
"""The names of work units. A report's file has the name of its unit: files with other names are not ours."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A stable piece of a partition: one shard, or one bucket of loose objects in ascending key order.

    ``id`` is unique within the partition. It depends on the keys alone, never on the order or the time of the listing.
    ``sidecars`` describe its images, in ascending key order.
    """

    id: str
    partition: Partition
    kind: UnitKind
    objects: Sequence[ObjectInfo]
    sidecars: tuple[ObjectInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an image could not be inspected. ``code`` is one word to group by; ``detail`` is for people."""

    code: str
    detail: str

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class RawImage(NamedTuple):
    """One image of an archive, still encoded; or the failure in its place.

    ``member`` is the name inside a shard (None for a loose object). ``ordinal`` is the place in the object: (key,
    member, ordinal) is unique even if a shard repeats a name. ``position`` is metres from the coil's head.
    ``camera``, ``side`` (of the strip) and ``frame`` (its number) say which frame of the strip it is. ``mm_across``
    and ``mm_along`` are millimetres per pixel, if a sidecar gives them; otherwise the settings do. ``grade`` is the
    steel's.
    """

    key: str
    member: str | None
    ordinal: int
    data: bytes | Failure
    coil: str | None = None
    position: float | None = None
    captured_at: dt.datetime | None = None
    camera: str | None = None
    side: str | None = None
    frame: int | None = None
    mm_across: float | None = None
    mm_along: float | None = None
    grade: str | None = None


class Region(NamedTuple):
    """A connected defect of an image, in pixels. ``label`` is the index of its class; ``score`` is 1 − Σ p(good) of the
    strongest view that shows it; ``area`` is how much of the box it covers; ``views`` are the views that show it."""

    label: int
    score: float
    x: int
    y: int
    width: int
    height: int
    area: int
    views: int
