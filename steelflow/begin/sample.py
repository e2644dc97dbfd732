"""Frames of the archive to learn good strip from: spread over lines, coils and positions, and bounded in number.

Every frame has a number that its key and the seed give it, and the frames with the smallest numbers are taken. The
choice is random, the same for the same archive, and independent of the order of the listing. Frames that are not taken
are not read, except those that lie before the last one in a shard.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from steelflow.archive.discovery import objects, partitions
from steelflow.archive.names import kind_of
from steelflow.archive.readers import read_unit
from steelflow.archive.template import KeyTemplate
from steelflow.archive.unlisted import Unlisted
from steelflow.config import LimitSettings
from steelflow.errors import ConfigError
from steelflow.images.decode import Grey, decode
from steelflow.records import Failure, ObjectInfo, Partition, RawImage, Unit
from steelflow.store.base import Store
from steelflow.store.foreign import foreign_objects

FRAMES = 600
_SHARDS = 8  # of a partition
_MEMBERS = 2000  # of a shard, from its beginning

_EVERYTHING = Partition(None, None)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that was read. ``group`` names its line and coil, or the frame itself where the coil is not known."""

    grey: Grey
    line: str | None
    group: str


@dataclass(slots=True)
class Seen:
    """How many frames the archive listed (members of shards are not), were read, and could not be read."""

    listed: int = 0
    read: int = 0
    failed: int = 0


def sample_frames(
    archive: Store,
    template: KeyTemplate,
    limits: LimitSettings,
    seen: Seen,
    *,
    dates: Collection[dt.date] | None = None,
    lines: Collection[str] | None = None,
    whole: bool = False,
    frames: int = FRAMES,
    seed: int = 0,
) -> Iterator[Frame]:
    """At most ``frames`` frames, as many from every line and date where there are enough; ``seen`` is counted up.

    Args:
        whole: take everything in ``archive``, a source without nights and lines.

    Raises:
        ConfigError: the archive has no images of these nights and lines.
        StoreError: the archive cannot be read.
    """
    found = [_EVERYTHING] if whole else partitions(archive, template, dates, lines)
    chosen = _least(found, frames, lambda one: f"{one.line}/{one.date}", seed)
    for number, partition in enumerate(sorted(chosen, key=lambda one: (str(one.date), one.line or ""))):
        share = _share(frames, len(chosen), number)
        for unit, wanted in _units(archive, template, partition, share, seen, seed):
            for image in _images(archive, unit, template, limits, wanted, seed):
                line = partition.line or template.read(image.key).line
                yield from _decoded(image, line, limits, seen)
    if not seen.read:
        raise ConfigError(
            f"{archive.uri}: no image of these nights and lines can be read ({seen.failed} failed); check archive.uri, "
            "archive.template and the dates"
        )


def _units(
    archive: Store, template: KeyTemplate, partition: Partition, wanted: int, seen: Seen, seed: int
) -> list[tuple[Unit, int]]:
    """What to read of a partition, and how many frames of it: loose images and shards share by their numbers."""
    loose: list[tuple[str, ObjectInfo]] = []
    shards: list[tuple[str, ObjectInfo]] = []
    sizes = {"image": 0, "shard": 0}
    listed = (
        foreign_objects(archive, "", Unlisted().add)
        if partition == _EVERYTHING
        else objects(archive, template, partition)
    )
    for info in listed:
        kind = kind_of(info.key)
        if kind is None:
            continue
        sizes[kind] += info.size
        seen.listed += kind == "image"
        _keep(loose if kind == "image" else shards, info, _SHARDS if kind == "shard" else wanted, info.key, seed)
    whole = max(sizes["image"] + sizes["shard"], 1)
    of_shards = min(wanted, round(wanted * sizes["shard"] / whole)) if loose else wanted
    units = []
    if loose and wanted > of_shards:
        picked = [info for _, info in _first(loose, wanted - of_shards)]
        units.append((Unit("sample", partition, "loose", tuple(picked)), len(picked)))
    shards = _first(shards, _SHARDS)
    for number, (_, info) in enumerate(shards):
        if share := _share(of_shards, len(shards), number):
            units.append((Unit("sample", partition, "shard", (info,)), share))
    return units


def _images(
    archive: Store, unit: Unit, template: KeyTemplate, limits: LimitSettings, wanted: int, seed: int
) -> Iterable[RawImage]:
    """``wanted`` images of a unit. Of a shard, the bytes of at most this many are in memory."""
    images = read_unit(archive, unit, template, limits)
    if unit.kind == "loose":
        return images
    kept: list[tuple[str, RawImage]] = []
    for image in islice(images, _MEMBERS):
        _keep(kept, image, wanted, f"{image.key}/{image.member}/{image.ordinal}", seed)
    return [image for _, image in _first(kept, wanted)]


def _decoded(image: RawImage, line: str | None, limits: LimitSettings, seen: Seen) -> Iterator[Frame]:
    grey = image.data if isinstance(image.data, Failure) else decode(image.data, limits.of(line))
    if isinstance(grey, Failure):
        seen.failed += 1
        return
    seen.read += 1
    place = image.coil or f"{image.key}/{image.member or ''}"
    yield Frame(grey, line, f"{line or ''}/{place}")


def _keep(kept: list[tuple[str, T]], one: T, most: int, name: str, seed: int) -> None:
    """Add ``one`` to ``kept`` if its number is among the ``most`` smallest. Twice as many are held at times."""
    kept.append((_number(name, seed), one))
    if len(kept) >= 2 * max(most, 1):
        kept[:] = _first(kept, most)


def _first(kept: list[tuple[str, T]], most: int) -> list[tuple[str, T]]:
    return heapq.nsmallest(most, kept, key=lambda item: item[0])


def _least(items: Sequence[T], most: int, name: Callable[[T], str], seed: int) -> list[T]:
    return heapq.nsmallest(most, items, key=lambda one: _number(name(one), seed))


def _number(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogatepass")).hexdigest()


def _share(total: int, parts: int, number: int) -> int:
    """Part ``number`` of ``total``, divided as evenly as whole numbers can be."""
    return total * (number + 1) // parts - total * number // parts
