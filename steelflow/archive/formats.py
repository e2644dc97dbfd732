"""The format of a shard, and of shards within it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial

from steelflow.archive.carried import container, peeked
from steelflow.archive.gunzip import Expansion, unpacked
from steelflow.archive.names import Ignored
from steelflow.archive.shard import Others, Part, Row, ShardError, Source
from steelflow.archive.stream import ObjectReader
from steelflow.archive.tar import read_tar
from steelflow.archive.zip import read_zip
from steelflow.config import LimitSettings
from steelflow.records import Failure, ObjectInfo

DEPTH = 3  # shards within shards

_HEAD = 8
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_UNSUPPORTED_MAGIC = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
    b"LZIP": "lzip",
    b"\x04\x22\x4d\x18": "LZ4",
    b"\x1f\x9d": "compress (.Z)",
    b"\x5d\0\0": "LZMA",
}


def shard_rows(
    file: ObjectReader,
    info: ObjectInfo,
    limits: LimitSettings,
    ignored: Ignored,
    describe: Callable[[str, bytes | Failure], None],
) -> Iterator[Row]:
    """The images of a shard. The bytes decide on the format, not the name: a .tgz that was decompressed by a download
    is a tar.

    Raises:
        ShardError: ``empty``, ``unsupported``, or as ``read_tar`` and ``read_zip``.
    """
    head = file.read(_HEAD)
    file.seek(0)
    grown = Expansion(limits.expansion, file.spent)
    if head[:4] in _ZIP_MAGIC or (info.key.lower().endswith(".zip") and not _is_other(head)):
        return read_zip(file, limits, _others(limits, ignored, describe, grown, 1), grown)
    return _forwards(file, head, limits, ignored, describe, grown, 0)


def _others(
    limits: LimitSettings,
    ignored: Ignored,
    describe: Callable[[str, bytes | Failure], None],
    grown: Expansion,
    depth: int,
) -> Others:
    return Others(ignored, describe, partial(_nested, limits, ignored, describe, grown, depth), peeked, container)


def _is_other(head: bytes) -> bool:
    return head.startswith((b"\x1f\x8b", *_UNSUPPORTED_MAGIC)) or not head


def _forwards(
    source: Source,
    head: bytes,
    limits: LimitSettings,
    ignored: Ignored,
    describe: Callable[[str, bytes | Failure], None],
    grown: Expansion,
    depth: int,
) -> Iterator[Row]:
    if not head:
        raise ShardError("empty", "the shard has no bytes; copy it again")
    for magic, name in _UNSUPPORTED_MAGIC.items():
        if head.startswith(magic):
            raise ShardError("unsupported", f"{name} is not read; unpack it, or pack it as tar, tar.zst or zip")
    others = _others(limits, ignored, describe, grown, depth + 1)
    return read_tar(unpacked(source, head, grown) or source, limits, others)


def _nested(
    limits: LimitSettings,
    ignored: Ignored,
    describe: Callable[[str, bytes | Failure], None],
    grown: Expansion,
    depth: int,
    name: str,
    source: Source,
    size: int,
) -> Iterator[Row]:
    """The rows of a shard within a shard. Its damage is a row, and the outer shard continues."""

    def describe_inner(inner: str, data: bytes | Failure) -> None:
        describe(f"{name}/{inner}", data)

    try:
        if depth > DEPTH:
            raise ShardError("unsupported", f"a shard within {DEPTH} shards; unpack it")
        head = source.read(min(_HEAD, size))
        part = Part(source, size, head)
        if head[:4] in _ZIP_MAGIC or (name.lower().endswith(".zip") and not _is_other(head)):
            if size > limits.image_bytes:  # a zip is read from its end, so it must be in memory
                raise ShardError(
                    "unsupported",
                    f"a zip of {size:,} bytes within a shard, the limit is {limits.image_bytes:,} "
                    "(limits.image_bytes); unpack it",
                )
            others = _others(limits, ignored, describe_inner, grown, depth + 1)
            yield from read_zip(io.BytesIO(part.read(size)), limits, others, grown)
        else:
            yield from _forwards(part, head, limits, ignored, describe_inner, grown, depth)
    except ShardError as exc:
        yield None, exc.failure
