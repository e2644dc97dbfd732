"""How a partition is divided into work units.

A shard is a unit. Loose objects are the leaves of a binary trie over a stable hash of their key: a leaf with more
objects than the limit splits in two. The unit of an object depends on the number of objects, never on the order or the
time of the listing. One more image changes one unit, or splits this unit alone. The first bits come from the coil: the
images of a coil stay together while they fit.
"""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from steelflow.archive.names import JPEG_SUFFIXES, SHARD_SUFFIXES, Ignored, is_open, is_other, kind_of
from steelflow.archive.packed import PLACE_BYTES, Packed, pack, packed_key
from steelflow.archive.template import KeyTemplate
from steelflow.records import UNIT_ID, ObjectInfo, Partition, Unit

LOOKED_INTO = 1000  # objects of a suffix in a line's night that are opened, although their names are of no images

_COIL_BITS = 16
_KEY_BITS = 64
_SAMPLE = 5  # folders that are named
_BITS = _COIL_BITS + _KEY_BITS  # PLACE_BYTES of them


@dataclass(frozen=True, slots=True)
class Plan:
    """The units of a partition in order of their ids. Objects that are neither image nor shard nor sidecar are ignored:
    all are counted, a few are named; so are images and shards in folders that the template does not fit."""

    units: tuple[Unit, ...]
    ignored_count: int
    ignored_sample: tuple[str, ...]
    misplaced_count: int = 0
    misplaced_folders: tuple[str, ...] = ()


def plan(
    partition: Partition,
    objects: Iterable[ObjectInfo],
    template: KeyTemplate,
    max_images: int,
    misnamed: Callable[[Sequence[ObjectInfo]], Iterable[ObjectInfo]] = lambda _: (),
) -> Plan:
    """Divide a partition's objects into units. Every image and shard is in exactly one unit.

    ``template`` gives the coil of a loose object. An object that it does not fit is placed by its key alone.
    ``misnamed`` is given objects that are no images by their names, and returns those that are images: ``LOOKED_INTO``
    objects of each suffix, spread over all of them, and the rest of a suffix if one of them is an image.
    """
    loose: list[bytes] = []
    units: list[Unit] = []
    coils: dict[str, int] = {}
    ignored, misplaced = Ignored(), Counter[str]()
    others: dict[str, list[bytes]] = {}
    sidecars: dict[str, list[ObjectInfo]] = {}
    for info in objects:
        kind = kind_of(info.key)
        if kind == "image" or is_open(info.key):
            loose.append(pack(_path(info.key, template, coils, misplaced), info))
        elif kind == "shard":
            units.append(Unit(_shard_id(info.key), partition, "shard", (info,)))
            if template.of_folders(info.key) is None:
                misplaced[_folder(info.key)] += 1
        elif kind == "sidecar":
            sidecars.setdefault(_folder(info.key), []).append(info)
        else:
            ignored.add(info.key)
            if info.size and is_other(info.key):
                others.setdefault(info.key[info.key.rfind(".") :].lower(), []).append(pack(0, info))
    for group in others.values():
        for info in _images_of(Packed(group), misnamed):
            loose.append(pack(_path(info.key, template, coils, misplaced), info))
            ignored.remove(info.key)
    units.extend(_buckets(partition, loose, max_images))
    if sidecars:
        units = [replace(unit, sidecars=_beside(unit, sidecars)) for unit in units]
    ordered = tuple(sorted(units, key=attrgetter("id")))
    return Plan(ordered, ignored.count, tuple(ignored.sample), misplaced.total(), tuple(sorted(misplaced)[:_SAMPLE]))


def _images_of(group: Packed, misnamed: Callable[[Sequence[ObjectInfo]], Iterable[ObjectInfo]]) -> Iterator[ObjectInfo]:
    """The images among the objects of one suffix."""
    every = -(-len(group) // LOOKED_INTO)
    found = list(misnamed(group[::every]))
    yield from found
    for start in range(1, every) if found else ():
        for first in range(0, len(group), every * LOOKED_INTO):
            yield from misnamed(group[first + start : first + every * LOOKED_INTO : every])


def superseded(existing: Collection[str], planned: Collection[str]) -> set[str]:
    """The existing ids that left the plan: a bucket was split or merged; a shard was renamed, repacked or deleted.

    Their reports must be deleted, otherwise images are counted twice: a report mirrors its archive. Ids that steelflow
    did not create are left alone.
    """
    return {unit for unit in set(existing) - set(planned) if UNIT_ID.fullmatch(unit)}


def fingerprint(unit: Unit, model_digest: str, how: str) -> str:
    """SHA-256 in hex of everything that the unit's report depends on. If it is unchanged, the report is up to date."""
    described = [unit.sidecars] if unit.sidecars else []  # without sidecars, fingerprints are what they always were
    objects = [[[info.key, info.size, info.etag] for info in group] for group in (unit.objects, *described)]
    return hashlib.sha256(json.dumps([model_digest, how, *objects]).encode()).hexdigest()


def _beside(unit: Unit, sidecars: dict[str, list[ObjectInfo]]) -> tuple[ObjectInfo, ...]:
    """The sidecars in the folders of a unit's objects, and in the folders above."""
    folders = {_folder(info.key) for info in unit.objects}
    for folder in tuple(folders):
        while folder:
            folder = _folder(folder[:-1])
            folders.add(folder)
    found = [info for folder in folders & sidecars.keys() for info in sidecars[folder]]
    return tuple(sorted(found, key=attrgetter("key")))


def _folder(key: str) -> str:
    return key[: key.rfind("/") + 1]


def only_jpeg(unit: Unit) -> bool:
    """Whether all images of a unit are called JPEG. A shard is not opened: it may hold others."""
    if unit.kind == "shard":
        return False
    if isinstance(unit.objects, Packed):
        return unit.objects.all_end_with(JPEG_SUFFIXES)
    return all(info.key.lower().endswith(JPEG_SUFFIXES) for info in unit.objects)


def _buckets(partition: Partition, loose: list[bytes], max_images: int) -> Iterator[Unit]:
    loose.sort()
    for start, stop, depth in _leaves(loose, max_images):
        bits = f"{_path_of(loose[start]):0{_BITS}b}"[:depth]
        members = Packed(sorted(loose[start:stop], key=packed_key))
        yield Unit(f"loose-{bits}" if bits else "loose", partition, "loose", members)


def _path(key: str, template: KeyTemplate, coils: dict[str, int], misplaced: Counter[str]) -> int:
    """The path from the root to an object: the coil's bits, then the key's. Without a coil, all bits come from the
    key."""
    own = _hash(key, _BITS)
    fields = template.match(key)
    if fields is None and template.of_folders(key) is None:
        misplaced[_folder(key)] += 1
    coil = fields.coil if fields else None
    if coil is None:
        return own
    if coil not in coils:
        coils[coil] = _hash(coil, _COIL_BITS) << _KEY_BITS
    return coils[coil] | (own & ((1 << _KEY_BITS) - 1))


def _path_of(record: bytes) -> int:
    return int.from_bytes(record[:PLACE_BYTES], "big")


def _leaves(loose: list[bytes], max_images: int) -> Iterator[tuple[int, int, int]]:
    """(start, stop, depth) of the leaves over objects in the order of their paths, without empty leaves."""
    pending = [(0, len(loose), 0)]
    while pending:
        start, stop, depth = pending.pop()
        if start == stop:
            continue
        if stop - start <= max_images or depth == _BITS:
            yield start, stop, depth
            continue
        below = _BITS - depth
        right_half = _path_of(loose[start]) >> below << below | 1 << (below - 1)
        middle = bisect_left(loose, right_half.to_bytes(PLACE_BYTES, "big"), start, stop)
        pending += [(start, middle, depth + 1), (middle, stop, depth + 1)]


def _shard_id(key: str) -> str:
    """The file's name for people, and a hash of the whole key: other folders may repeat the name."""
    name = key.rpartition("/")[2]
    suffix = max((s for s in SHARD_SUFFIXES if name.lower().endswith(s)), key=len)
    stem = re.sub("[^A-Za-z0-9_.]+", "-", name[: -len(suffix)]).strip("-.")[:40] or "unnamed"
    return f"shard-{stem}-{_hash(key, 48):012x}"


def _hash(text: str, bits: int) -> int:
    # surrogatepass: a local folder may have names that are not valid Unicode
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=bits // 8).digest(), "big")
