"""Images from a tar stream: POSIX ustar and pax, GNU, and the old v7 format.

Unlike the standard library's ``tarfile``, it reports a damaged header and a cut between two members; ``tarfile`` takes
them for the end. No header makes the reader hold more than ``MAX_HEADER``. Nothing is extracted, so a hostile name does
no harm.

Source: IEEE Std 1003.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU tar manual, "Basic Tar
Format".
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from steelflow.archive.links import Targets
from steelflow.archive.names import Kind, is_open, is_other, kind_of
from steelflow.archive.shard import Others, Part, Row, ShardError, Source, too_large, within
from steelflow.archive.sidecar import MAX_BYTES, SPLIT
from steelflow.archive.sniff import looks_like_image
from steelflow.archive.stream import ObjectReader
from steelflow.config import MIB, LimitSettings
from steelflow.records import Failure

BLOCK = 512
MAX_HEADER = MIB  # bytes of a long name or a set of pax records
_LONGEST_NAME = 4096  # bytes: the limit of a Linux path
MAX_PADDING = MIB  # zeros after the end mark that are padding in any case; more, if the file has whole records

_TAIL = MIB

_ZEROS = bytes(BLOCK)
_LINKS = {b"1": "hard link", b"2": "symbolic link", b"3": "device", b"4": "device", b"6": "named pipe"}
_HARD_LINK, _SYMBOLIC_LINK = b"1", b"2"
_DIRECTORY = b"5"
_LONG_NAME, _LONG_LINK = b"L", b"K"
_PAX_NEXT, _PAX_NEXT_SUN, _PAX_GLOBAL = b"x", b"X", b"g"
_META = frozenset((_LONG_NAME, _LONG_LINK, _PAX_NEXT, _PAX_NEXT_SUN, _PAX_GLOBAL))
_SPARSE = b"S"
_PAX_SPARSE = b"GNU.sparse."


class _Member(NamedTuple):
    name: str
    kind: bytes
    size: int
    sparse: bool
    target: str  # of a link


def read_tar(source: Source, limits: LimitSettings, others: Others) -> Iterator[Row]:
    """The image members, in order, with those of shards within the shard. A member without a known suffix is an image
    if its first bytes are. A sidecar goes to ``others``, before the images that follow it.

    Failures of one member: ``link`` (links and devices with an image's name), ``sparse`` (sparse files), ``too_large``
    (above ``limits.image_bytes``) and ``truncated``, which is the last row.

    Raises:
        ShardError: ``shard_cut`` or ``shard_corrupt`` if more members should follow and cannot be read.
    """
    targets = Targets(source)
    for member in _members(source):
        kind = kind_of(member.name)
        if member.kind == _HARD_LINK and (kind == "image" or is_open(member.name)):
            linked = targets.find(member.target)
            if linked is not None:
                yield member.name, linked
                continue
        failure = _refusal(member, limits, kind)
        if kind == "image":
            data = b"" if failure else source.read(member.size)
            there = source.skip(member.size) if failure else len(data)
        else:
            part = Part(source, member.size)
            yield from _other(member, part, kind, failure, others)
            there = member.size - part.rest()
        if there < member.size:
            cut = f"has {there:,} of {member.size:,} bytes: the shard is cut, later images are lost; copy it again"
            if kind != "image":
                raise ShardError("shard_cut", f"{member.name[:200]!r} {cut}")
            yield member.name, Failure("truncated", cut)
            return
        if kind == "image":
            if failure is None:
                targets.add(member.name, data)
            yield member.name, failure or data
        source.skip(-member.size % BLOCK)


def _other(member: _Member, part: Part, kind: Kind | None, failure: Failure | None, others: Others) -> Iterator[Row]:
    """The rows of a member that is no image by its name."""
    if kind == "sidecar":
        others.describe(member.name, failure or part.read(member.size))
    elif kind == "shard":
        yield from (
            [(member.name, failure)] if failure else within(member.name, others.nested(member.name, part, member.size))
        )
    elif member.kind not in _LINKS and not member.sparse and is_other(member.name):
        head = others.peek(part.read, member.size)
        if looks_like_image(head):
            data = head if failure else head + part.read(member.size - len(head))
            cut = failure is None and len(data) < member.size
            yield member.name, Failure("truncated", "the shard is cut; copy it again") if cut else failure or data
        elif hidden := others.container(head):
            yield member.name, hidden
        else:
            others.ignored.add(member.name)
    else:
        others.ignored.add(member.name)


def _members(source: Source) -> Iterator[_Member]:
    """All members except directories. The caller must consume the data and the padding of each member."""
    shared: dict[bytes, bytes] = {}
    own: dict[bytes, bytes] = {}
    while (header := source.read(BLOCK)) != _ZEROS:
        if len(header) < BLOCK:
            raise ShardError("shard_cut", "no end-of-archive mark: later images may be lost; copy the shard again")
        if not _is_sound(header):
            raise ShardError("shard_corrupt", "not a tar header: this image and all after it are lost; pack it again")
        kind = header[156:157]
        size = _number(header[124:136])
        if kind in _META:
            records = _records(kind, _meta(source, size))
            (shared if kind == _PAX_GLOBAL else own).update(records)
            continue
        member = _described(header, kind, size, {**shared, **own})
        own = {}
        if kind == _SPARSE:
            _skip_sparse_maps(source, header)
        if kind != _DIRECTORY and not (kind == b"\0" and member.name.endswith("/")):
            yield member
    _check_tail(source)


def _refusal(member: _Member, limits: LimitSettings, kind: Kind | None) -> Failure | None:
    if member.kind in _LINKS:
        return Failure("link", f"a {_LINKS[member.kind]}{_advice(member)}")
    if member.sparse:
        return Failure("sparse", "sparse files are not supported; pack it again without --sparse")
    if kind == "shard":
        return None
    if kind == "sidecar":
        return too_large(member.size, MAX_BYTES, SPLIT) if member.size > MAX_BYTES else None
    if member.size > limits.image_bytes:
        return too_large(member.size, limits.image_bytes)
    return None


def _advice(member: _Member) -> str:
    to = f" to {member.target[:100]!r}"
    if member.kind == _HARD_LINK:
        return f"{to}, which cannot be read here; pack the images themselves (tar --hard-dereference)"
    if member.kind == _SYMBOLIC_LINK:
        return f"{to}, not a file; pack the images themselves (tar --dereference)"
    return ", not a file; leave it out of the tar"


def is_header(block: bytes) -> bool:
    """Whether a block is the header of a tar's member."""
    return len(block) == BLOCK and block != _ZEROS and _is_sound(block)


def _is_sound(header: bytes) -> bool:
    """Whether the header's checksum is right: the sum of its bytes, with spaces in place of the checksum."""
    # Adler-32 begins with the sum of the bytes modulo 65521. 256 bytes cannot reach this: 20 times as fast as sum().
    total = (zlib.adler32(header[:256], 0) & 0xFFFF) + (zlib.adler32(header[256:], 0) & 0xFFFF)
    total += 8 * ord(" ") - sum(header[148:156])
    try:
        stated = _number(header[148:156])
    except ShardError:
        return False
    if stated == total:
        return True
    negative = sum(byte > 127 for byte in header[:148] + header[156:])
    return stated == total - 256 * negative  # some old writers summed signed bytes


def _number(field: bytes) -> int:
    """Octal text; or a binary number if the first bit is set: GNU tar writes large numbers in this way."""
    try:
        if field[0] & 0x80:
            value = int.from_bytes(field[1:], "big") if field[0] == 0x80 else -1
        else:
            value = int(field.split(b"\0", 1)[0].strip() or b"0", 8)
    except ValueError:
        value = -1
    if value < 0:
        raise ShardError("shard_corrupt", "a tar header has something else than a number; pack the shard again")
    return value


def _meta(source: Source, size: int) -> bytes:
    if size > MAX_HEADER:
        raise ShardError("shard_corrupt", f"a tar header of {size:,} bytes, the limit is {MAX_HEADER:,}")
    data = source.read(size)
    if len(data) < size:
        raise ShardError("shard_cut", "cut inside a header: later images are lost; copy the shard again")
    source.skip(-size % BLOCK)
    return data


def _records(kind: bytes, data: bytes) -> dict[bytes, bytes]:
    """The fields that an extended header gives for the next member and that are used here."""
    if kind == _LONG_LINK:
        return {b"linkpath": data.split(b"\0", 1)[0]}
    if kind == _LONG_NAME:
        return {b"path": data.split(b"\0", 1)[0]}
    found = {}
    at = 0
    while at < len(data) and data[at]:
        space = data.find(b" ", at, at + 12)
        length = data[at : max(space, at)]
        end = at + int(length) if length.isdigit() else at
        if not at < space < end <= len(data) or data[end - 1] != ord("\n"):
            raise ShardError("shard_corrupt", "a damaged pax record in a header; pack the shard again")
        key, _, value = data[space + 1 : end - 1].partition(b"=")
        if key in (b"path", b"linkpath", b"size", _PAX_SPARSE + b"name"):
            found[key] = value
        elif key.startswith(_PAX_SPARSE):
            found[_PAX_SPARSE] = b""
        at = end
    return found


def _described(header: bytes, kind: bytes, size: int, records: dict[bytes, bytes]) -> _Member:
    """The member of a header. Bytes of its name that are not UTF-8 are escaped (``\\xe9``)."""
    name = header[:100].split(b"\0", 1)[0]
    if header[257:263] == b"ustar\0" and header[345]:
        name = header[345:500].split(b"\0", 1)[0] + b"/" + name
    sparse = kind == _SPARSE
    if records:
        name = records.get(_PAX_SPARSE + b"name") or records.get(b"path") or name
        size = _pax_size(records.get(b"size", b"%d" % size))
        sparse = sparse or _PAX_SPARSE in records
    if kind in _LINKS:
        size = 0  # the header has the size of the target
    target = records.get(b"linkpath") or header[157:257].split(b"\0", 1)[0] if kind in _LINKS else b""
    return _Member(_named(name), kind, size, sparse, _named(target))


def _named(name: bytes) -> str:
    if len(name) > _LONGEST_NAME:  # thousands of rows wait in memory until they are written
        name = name[: _LONGEST_NAME - 100] + b"..." + name[-64:]
    return name.decode("utf-8", "backslashreplace")


def _pax_size(text: bytes) -> int:
    if not text.isdigit() or len(text) > 20:
        raise ShardError("shard_corrupt", "a pax header has something else than a size; pack the shard again")
    return int(text)


def _skip_sparse_maps(source: Source, header: bytes) -> None:
    more = header[482]
    while more:
        block = source.read(BLOCK)
        if len(block) < BLOCK:
            raise ShardError("shard_cut", "cut inside a header: later images are lost; copy the shard again")
        more = block[504]


def _check_tail(source: Source) -> None:
    """Check the data after the first zero block. Zeros up to the end are padding, and garbage is ignored; signs of lost
    images are errors."""
    zeros = 0
    while not (rest := (tail := source.read(_TAIL)).lstrip(b"\0")) and tail:
        zeros += len(tail)
    zeros += len(tail) - len(rest)
    if not rest:
        if zeros >= MAX_PADDING and isinstance(source, ObjectReader) and zeros > _record(source.tell()):
            raise ShardError("shard_corrupt", "the rest of the shard is zeros (an incomplete copy?); copy it again")
        return
    if zeros < BLOCK:
        raise ShardError("shard_corrupt", "more data follows one zero block: images may be lost; pack it again")
    at = (len(tail) - len(rest)) // BLOCK * BLOCK
    header = tail[at : at + BLOCK]
    header += source.read(BLOCK - len(header))
    if len(header) == BLOCK and _is_sound(header):
        raise ShardError(
            "shard_corrupt",
            "more members follow the end mark (two joined tars?); join them with `tar -A`, or unpack with "
            "`tar --ignore-zeros` and pack again",
        )


def _record(size: int) -> int:
    """The largest record that a tar of this size may have: a power of two, or 10 KiB (20 blocks) times one."""
    power = size & -size
    return max(power, 5 * power if size % 5 == 0 else 0)
