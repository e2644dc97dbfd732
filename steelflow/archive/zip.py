"""Images from a zip, in the order of their bytes in the file."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Iterator
from typing import IO, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from steelflow.archive.gunzip import Expansion
from steelflow.archive.names import is_open, is_other, kind_of
from steelflow.archive.shard import Others, Row, ShardError, too_large, within
from steelflow.archive.sidecar import MAX_BYTES, SPLIT
from steelflow.archive.sniff import looks_like_image
from steelflow.archive.stream import ObjectReader
from steelflow.config import MIB, LimitSettings
from steelflow.records import Failure

MAX_DIRECTORY = 32 * MIB  # about 300,000 members

Seekable = ObjectReader | io.BytesIO

_ENCRYPTED = 0x1
_LOCAL_HEADER = 30
_END_RECORD = 22
_DAMAGE = (BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError, OverflowError, OSError)


def read_zip(file: Seekable, limits: LimitSettings, others: Others, grown: Expansion) -> Iterator[Row]:
    """The image members, with those of shards within the shard. A member without a known suffix is an image if its
    first bytes are. Sidecars go to ``others``, all of them before the first image.

    Failures of one member: ``encrypted``, ``unsupported`` (compression), ``too_large``, ``bomb`` (expands more than
    ``limits.expansion`` times), ``overlap`` (with another member), ``corrupt``.

    Raises:
        ShardError: ``shard_corrupt`` if it is not a zip, or is truncated; ``too_large`` if its directory is; ``bomb``
            if its members together expand more than ``grown`` allows.
    """
    guarded = _Guarded(file, MAX_DIRECTORY)
    try:
        archive = ZipFile(cast(IO[bytes], guarded))
        promised = _promised(file)
    except _DAMAGE as exc:
        raise ShardError("shard_corrupt", f"not a complete zip: {_text(exc)}; copy or pack it again") from exc
    guarded.limit = sys.maxsize
    with archive:
        overlapping = _overlapping(archive)
        images = []
        for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
            kind = kind_of(info.filename)
            if kind == "sidecar":
                large = too_large(info.file_size, MAX_BYTES, SPLIT) if info.file_size > MAX_BYTES else None
                refused = large or _refusal(info, overlapping, limits)
                others.describe(info.filename, refused or _data(archive, info, grown))
            elif kind in ("image", "shard") or is_other(info.filename):
                images.append(info)
            elif info.file_size or not info.filename.endswith("/"):
                others.ignored.add(info.filename)
        for info in images:
            kind, refused = kind_of(info.filename), _refusal(info, overlapping, limits)
            if kind == "shard":
                yield from within(info.filename, _nested(archive, info, refused, others, grown))
            elif kind == "image":
                yield info.filename, refused or _data(archive, info, grown)
            else:
                yield from _hidden(archive, info, refused, others, grown)
        found = len(archive.infolist())
        if promised not in (None, found & 0xFFFF) or (not found and archive.start_dir > 0):
            raise ShardError("shard_corrupt", f"its directory has only {found:,} members; copy or pack it again")


def _refusal(info: ZipInfo, overlapping: set[int], limits: LimitSettings) -> Failure | None:
    """The failure of a member that is refused without reading it."""
    if info.flag_bits & _ENCRYPTED:
        return Failure("encrypted", "the member is encrypted; pack it without a password")
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        return Failure("unsupported", f"compression method {info.compress_type}; pack with store or deflate")
    if info.file_size > limits.image_bytes and kind_of(info.filename) != "shard":
        return too_large(info.file_size, limits.image_bytes)
    if info.file_size > max(MIB, limits.expansion * info.compress_size):
        return Failure(
            "bomb",
            f"{info.compress_size:,} bytes would expand to {info.file_size:,}; "
            f"the limit is {limits.expansion} times (limits.expansion)",
        )
    if info.header_offset in overlapping:
        return Failure("overlap", "overlaps another member or the directory; pack the zip again")
    return None


def _data(archive: ZipFile, info: ZipInfo, grown: Expansion) -> bytes | Failure:
    grown.grow(info.file_size - info.compress_size, info.compress_size)
    try:
        with archive.open(info) as member:
            data = member.read(info.file_size)
    except _DAMAGE as exc:
        return Failure("corrupt", _text(exc))
    if len(data) < info.file_size:
        return Failure("corrupt", f"{len(data):,} bytes were decompressed, the directory says {info.file_size:,}")
    return data


def _hidden(
    archive: ZipFile, info: ZipInfo, refused: Failure | None, others: Others, grown: Expansion
) -> Iterator[Row]:
    """The row of a member whose content is an image or a container, though its name does not say so. What cannot be
    opened may be one if its name is unknown."""
    head = b""
    if info.file_size and (refused is None or refused.code == "too_large"):
        try:
            with archive.open(info) as member:
                head = others.peek(member.read, info.file_size)
        except _DAMAGE as exc:
            if is_open(info.filename):
                yield info.filename, Failure("corrupt", _text(exc))
                return
    if looks_like_image(head):
        yield info.filename, refused or _data(archive, info, grown)
    elif hidden := others.container(head):
        yield info.filename, hidden
    else:
        others.ignored.add(info.filename)


def _nested(
    archive: ZipFile, info: ZipInfo, refused: Failure | None, others: Others, grown: Expansion
) -> Iterator[Row]:
    """The rows of a shard within the zip. It is decompressed while it is read."""
    if refused:
        yield None, refused
        return
    grown.grow(info.file_size - info.compress_size, info.compress_size)
    try:
        with archive.open(info) as member:
            yield from others.nested(info.filename, _Stream(member, info.compress_size), info.file_size)
    except _DAMAGE as exc:
        yield None, Failure("corrupt", _text(exc))


class _Stream:
    """A member of a zip as a source."""

    def __init__(self, member: IO[bytes], packed: int) -> None:
        self.read = member.read
        self._packed = packed

    def skip(self, size: int) -> int:
        left = size
        while left and (part := self.read(min(left, MIB))):
            left -= len(part)
        return size - left

    def spent(self) -> int:
        return self._packed


def _overlapping(archive: ZipFile) -> set[int]:
    """Header offsets of the members whose bytes overlap another member.

    Source: D. Fifield, "A better zip bomb", WOOT 2019.
    """
    spans = sorted(
        (info.header_offset, info.header_offset + _LOCAL_HEADER + len(info.orig_filename) + info.compress_size)
        for info in archive.infolist()
    )
    spans.append((archive.start_dir, archive.start_dir))
    found = set()
    reached, owner = -1, -1
    for start, end in spans:
        if start < reached:
            found |= {start, owner}
        if end > reached:
            reached, owner = end, start
    return found


def _promised(file: Seekable) -> int | None:
    """The number of members (modulo 65,536) in the end record, which ``zipfile`` does not check. None for ZIP64."""
    file.seek(-min(file.seek(0, io.SEEK_END), _END_RECORD + 0xFFFF), io.SEEK_END)
    tail = file.read()
    start = tail.rfind(b"PK\x05\x06")
    count: int = struct.unpack_from("<H", tail, start + 10)[0]
    return None if count == 0xFFFF else count


class _Guarded:
    """Refuses a directory that is too large: ``zipfile`` reads it in one piece, in the size that the zip claims."""

    def __init__(self, file: Seekable, limit: int) -> None:
        self.limit = limit
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > self.limit:
            raise ShardError(
                "too_large", f"a zip directory of {size:,} bytes, the limit is {self.limit:,}; split the zip"
            )
        return self._file.read(size)


def _text(exc: BaseException) -> str:
    return " ".join(str(exc).split())[:300] or type(exc).__name__
