"""The structure of a TIFF: its directories (one per image), read without its pixels; one image as a file of its own.

Classic TIFF and BigTIFF, both byte orders. No size that a file claims is believed: all must lie within its bytes.

Source: Adobe, "TIFF Revision 6.0" (1992), section 2 and 20; Aware Systems, "The BigTIFF File Format".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from steelflow.records import Failure

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MOST_IMAGES = 10_000  # in one file

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, ORIENTATION, CHANNELS, ROWS_PER_STRIP, STRIP_BYTES, PLANAR = 273, 274, 277, 278, 279, 284
PREDICTOR, COLOURS, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 317, 320, 322, 323, 324, 325
EXTRA, SAMPLE_FORMAT, SMALLEST, LARGEST, LEAST, MOST = 338, 339, 340, 341, 280, 281
_KIND, _OLD_KIND, _SUB_IMAGES, _DESCRIPTION, _DEPTH = 254, 255, 330, 270, 32997

# What a decoder needs (fax options, ink, JPEG tables, YCbCr among it), and what gives the values their meaning.
_PIXELS = (
    *(WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, CHANNELS, ROWS_PER_STRIP, PLANAR, 292, 293),
    *(PREDICTOR, COLOURS, TILE_WIDTH, TILE_HEIGHT, 332, 334, EXTRA, SAMPLE_FORMAT, 347, 529, 530, 531, 532),
    *(ORIENTATION, SMALLEST, LARGEST, LEAST, MOST),
)
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_LONG = 4
_MOST_TAGS = 1024  # in a directory
_MOST_TAGS_IN_ALL = 300_000  # in the directories of a file: 30 in each of the most images
_MOST_SEGMENTS = 1 << 18  # strips or tiles of an image
_MOST_BYTES = 1 << 20  # of the values of a tag that describes the pixels
_OLD_JPEG = 6


class TiffError(Exception):
    """The structure is damaged, or not supported. ``code`` is that of a ``Failure``."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.failure = Failure(code, detail)


class Tag(NamedTuple):
    """The place of a tag's values: their type, their number and their first byte."""

    kind: int
    amount: int
    start: int


Numbers = tuple[int | float, ...]


@dataclass(frozen=True, slots=True)
class Directory:
    """One image of a TIFF. ``order`` is ``<`` or ``>``; ``next_at`` is where the pointer to the next one is."""

    data: bytes
    order: str
    at: int
    next_at: int
    tags: Mapping[int, Tag]

    def values(self, number: int, most: int | None = None) -> Numbers:
        """The numbers of a tag, at most ``most``; empty if there is no such tag."""
        tag = self.tags.get(number)
        if tag is None or tag.kind not in _CODES:
            return ()
        count = tag.amount if most is None else min(most, tag.amount)
        return struct.unpack_from(f"{self.order}{count}{_CODES[tag.kind]}", self.data, tag.start)

    def first(self, number: int, default: int) -> int:
        """The first value of a tag, as an integer."""
        values = self.values(number, 1)
        return int(values[0]) if values else default

    @property
    def is_reduced(self) -> bool:
        """A thumbnail or a mask of another image, not an image of the strip."""
        return bool(self.first(_KIND, 0) & 0b101) or self.first(_OLD_KIND, 1) == 2

    def segments(self) -> list[tuple[int, int]]:
        """(start, size) of the strips or tiles. Raises ``TiffError`` if one lies beyond the end of the file, or they
        are together larger than the file."""
        tiled = TILE_OFFSETS in self.tags
        starts = self.values(TILE_OFFSETS if tiled else STRIP_OFFSETS, _MOST_SEGMENTS + 1)
        sizes = self.values(TILE_BYTES if tiled else STRIP_BYTES, _MOST_SEGMENTS + 1)
        if len(starts) > _MOST_SEGMENTS:
            raise TiffError("too_large", f"more than {_MOST_SEGMENTS:,} strips or tiles; write larger ones")
        if not sizes and len(starts) == 1:  # old writers leave the size of a single strip out
            sizes = (len(self.data) - int(starts[0]),)
        if not starts or len(starts) != len(sizes):
            raise TiffError("corrupt", "the image has no pixels: its strips or tiles are missing; write it again")
        found = [(int(start), int(size)) for start, size in zip(starts, sizes, strict=True)]
        if any(start + size > len(self.data) or start < 0 or size < 0 for start, size in found):
            raise TiffError("truncated", "pixels lie beyond the end of the file; copy it again")
        if sum(size for _, size in found) > len(self.data):
            raise TiffError("overlap", "strips or tiles share their bytes; write the file again")
        return found


def directories(data: bytes) -> Iterator[Directory]:
    """The directories of the main chain, in order.

    Raises:
        TiffError: after the directories before it, if one is damaged, or the chain leads back or has no end.
    """
    order = "<" if data[:1] == b"I" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    seen: set[int] = set()
    tags = 0
    at = _unpack(data, f"{order}Q" if big else f"{order}I", 8 if big else 4)
    while at:
        if at in seen:
            raise TiffError("corrupt", "the list of images in the file leads back to an earlier one")
        if len(seen) == MOST_IMAGES:
            raise TiffError("too_large", f"more than {MOST_IMAGES:,} images in one file; split it")
        seen.add(at)
        one = _directory(data, order, big, at)
        tags += (one.next_at - at) // (20 if big else 12)
        if tags > _MOST_TAGS_IN_ALL:
            raise TiffError("bomb", f"more than {_MOST_TAGS_IN_ALL:,} tags in one file; write the images as files")
        yield one
        at = _unpack(data, f"{order}Q" if big else f"{order}I", one.next_at)


def images(data: bytes) -> Iterator[Directory]:
    """The images of a file: its directories without thumbnails and masks. Raises ``TiffError`` as ``directories``, and
    for a file whose image cannot be found in the main chain."""
    count = 0
    spare: Directory | None = None
    for one in directories(data):
        if one.is_reduced:
            spare = spare or one
            continue
        count += 1
        if one.first(_DEPTH, 1) > 1 or _hidden_stack(one):
            raise TiffError("unsupported", "a stack of images in one directory; write one directory per image")
        yield one
    if count == 0:
        if spare is None:
            raise TiffError("corrupt", "a TIFF without an image")
        if _SUB_IMAGES in spare.tags:
            raise TiffError("unsupported", "has a thumbnail only; the image is in a sub-directory (a raw file?)")
        yield spare


def alone(
    one: Directory, changes: Mapping[int, tuple[int, ...]] | None = None, plane: tuple[int, int] = (0, 1)
) -> bytes:
    """One image as a file of its own: its pixels and the tags that say what they are.

    Args:
        changes: other values for tags; without values a tag is left out.
        plane: of several planes that are stored one after another, ``(number, count)`` of the one to keep.

    Raises:
        TiffError: its pixels lie beyond the end of the file.
    """
    if one.first(COMPRESSION, 1) == _OLD_JPEG:
        return _patched(one)
    data, order = one.data, one.order
    number, count = plane
    segments = one.segments()
    each = len(segments) // count
    segments = segments[number * each : (number + 1) * each]
    tags: dict[int, tuple[int, int, bytes]] = {}
    for tag in _PIXELS:
        if tag in one.tags:
            kind, amount, start = one.tags[tag]
            if amount * _SIZES[kind] > _MOST_BYTES:
                raise TiffError("corrupt", f"tag {tag} has {amount:,} values")
            tags[tag] = (kind, amount, data[start : start + amount * _SIZES[kind]])
    out = bytearray(b"II*\0\0\0\0\0" if order == "<" else b"MM\0*\0\0\0\0")
    starts = []
    for start, size in segments:
        starts.append(len(out))
        out += data[start : start + size]
        out += b"\0" * (len(out) & 1)
    tiled = TILE_OFFSETS in one.tags
    longs = {
        TILE_OFFSETS if tiled else STRIP_OFFSETS: tuple(starts),
        TILE_BYTES if tiled else STRIP_BYTES: tuple(size for _, size in segments),
    }
    for tag, values in {**longs, **(changes or {})}.items():
        tags.pop(tag, None)
        if values:
            tags[tag] = (_LONG, len(values), struct.pack(f"{order}{len(values)}I", *values))
    return _with_directory(out, order, tags)


def _with_directory(out: bytearray, order: str, tags: Mapping[int, tuple[int, int, bytes]]) -> bytes:
    entries = b""
    for tag, (kind, amount, raw) in sorted(tags.items()):
        kind, raw = _classic(order, kind, raw)
        if len(raw) > 4:
            raw, far = struct.pack(f"{order}I", len(out)), raw
            out += far + b"\0" * (len(far) & 1)
        entries += struct.pack(f"{order}HHI", tag, kind, amount) + raw.ljust(4, b"\0")
    struct.pack_into(f"{order}I", out, 4, len(out))
    out += struct.pack(f"{order}H", len(tags)) + entries + bytes(4)
    return bytes(out)


def _classic(order: str, kind: int, raw: bytes) -> tuple[int, bytes]:
    """Numbers of 64 bits, which only BigTIFF has, as 32 bits."""
    if kind not in (16, 17, 18):
        return kind, raw
    count = len(raw) // 8
    return _LONG, struct.pack(f"{order}{count}I", *struct.unpack(f"{order}{count}Q", raw))


def _patched(one: Directory) -> bytes:
    """The whole file with one image: JPEG of the old kind has pointers into the file in many places."""
    if one.data[2:4] in (b"+\0", b"\0+"):
        raise TiffError("unsupported", "old-style JPEG in a BigTIFF; write it with another compression")
    out = bytearray(one.data)
    struct.pack_into(f"{one.order}I", out, 4, one.at)
    struct.pack_into(f"{one.order}I", out, one.next_at, 0)
    return bytes(out)


def _directory(data: bytes, order: str, big: bool, at: int) -> Directory:
    size, head = (20, 8) if big else (12, 2)
    count = _unpack(data, f"{order}Q" if big else f"{order}H", at)
    if count > _MOST_TAGS:
        raise TiffError("corrupt", f"a directory of {count:,} tags at byte {at:,}")
    tags: dict[int, Tag] = {}
    for entry in range(at + head, at + head + count * size, size):
        if entry + size > len(data):
            raise TiffError("truncated", f"the directory at byte {at:,} is cut; copy the file again")
        tag, kind, amount = struct.unpack_from(f"{order}HHQ" if big else f"{order}HHI", data, entry)
        place = entry + (12 if big else 8)
        length = amount * _SIZES.get(kind, 0)
        start = place if length <= (8 if big else 4) else _unpack(data, f"{order}Q" if big else f"{order}I", place)
        if kind in _SIZES and start + length <= len(data):
            tags[tag] = Tag(kind, amount, start)
        elif tag in _PIXELS or tag in (STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES):
            raise TiffError("truncated", f"tag {tag} lies beyond the end of the file; copy it again")
    return Directory(data, order, at, at + head + count * size, tags)


def _hidden_stack(one: Directory) -> bool:
    """ImageJ writes stacks above 4 GB with one directory; its description has the number of images."""
    tag = one.tags.get(_DESCRIPTION)
    if tag is None or one.data[tag.start : tag.start + 7] != b"ImageJ=":
        return False
    lines = one.data[tag.start : tag.start + min(tag.amount, 4096)].splitlines()
    counted = next((line[7:] for line in lines if line.startswith(b"images=")), b"1")
    follows = one.data[one.next_at : one.next_at + 4] != bytes(4)
    return counted.isdigit() and int(counted) > 1 and not follows and _is_first(one)


def _is_first(one: Directory) -> bool:
    return _unpack(one.data, f"{one.order}I", 4) == one.at


def _unpack(data: bytes, form: str, at: int) -> int:
    try:
        return int(struct.unpack_from(form, data, at)[0])
    except struct.error as exc:
        raise TiffError(
            "truncated", f"the file says that an image follows at byte {at:,}, which is beyond its end; copy it again"
        ) from exc
