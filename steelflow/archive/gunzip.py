"""A compressed stream, decompressed while it is read: gzip, bzip2, xz, zstd. Memory and expansion are bounded."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol, cast

import pyarrow as pa

from steelflow.archive.shard import ShardError, Source
from steelflow.config import MIB

FLOOR = 64 * MIB  # a file may always expand to this size, whatever the ratio

_INPUT = MIB // 4
_OUTPUT = MIB
_LZMA_MEMORY = 256 * MIB
_DAMAGE = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, pa.ArrowException)


class _Decompressor(Protocol):
    """What ``bz2`` and ``lzma`` offer."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """zlib, as ``bz2`` and ``lzma`` are used."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflater.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflater.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inflater.decompress(self._inflater.unconsumed_tail or data, max(0, max_length))


def _bzip2() -> _Decompressor:
    return cast(_Decompressor, bz2.BZ2Decompressor())


def _xz() -> _Decompressor:
    return cast(_Decompressor, lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY))


ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_CODECS: dict[bytes, Callable[[], _Decompressor]] = {b"\x1f\x8b": _Gzip, b"BZh": _bzip2, b"\xfd7zXZ\0": _xz}


def is_packed(head: bytes) -> bool:
    """Whether bytes are the beginning of a compressed stream that is read here."""
    return head.startswith((ZSTD_MAGIC, *_CODECS))


class Expansion:
    """What a stored object expands to, with all shards within it: at most ``factor`` times the bytes that were read of
    it, and a floor. ``spent`` gives the number of these bytes."""

    def __init__(self, factor: int, spent: Callable[[], int]) -> None:
        self.factor = factor
        self._spent = spent
        self._produced = 0

    def grow(self, size: int, packed: int = 0) -> None:
        """Count ``size`` bytes more than those that hold them; ``packed`` of these are still to be read. Raises
        ``ShardError`` above the limit."""
        if size > 0:
            self._produced += size
            self.check(self._produced, self._spent() + packed)

    def check(self, produced: int, consumed: int) -> None:
        """Raises ``ShardError`` if ``consumed`` bytes may not expand to ``produced``."""
        if produced > FLOOR + self.factor * consumed:
            raise ShardError(
                "bomb",
                f"{consumed:,} bytes expand to more than {produced:,}; the limit is "
                f"{self.factor} times (limits.expansion)",
            )


def unpacked(source: Source, head: bytes, expansion: Expansion) -> Source | None:
    """The decompressed bytes of ``source``, or None if it is not compressed: ``head`` has its first 6 bytes."""
    if head.startswith(ZSTD_MAGIC):
        return Unpacked(source, ZSTD_MAGIC, _Zstd(source), expansion)
    for magic, codec in _CODECS.items():
        if head.startswith(magic):
            return Unpacked(source, magic, _Streams(source, magic, codec), expansion)
    return None


class _Packed(Protocol):
    """``consumed`` is the number of compressed bytes that were decompressed."""

    consumed: int

    def more(self) -> bytes:
        """The next decompressed bytes; none at the end."""


class _Streams:
    """One or more compressed streams in sequence. Other data after them is ignored, as gzip does."""

    def __init__(self, source: Source, magic: bytes, codec: Callable[[], _Decompressor]) -> None:
        self._source, self._magic, self._codec = source, magic, codec
        self._stream = codec()
        self._held = b""
        self.consumed = 0

    def more(self) -> bytes:
        while not self._stream.eof or self._next():
            packed = b""
            if self._stream.needs_input:
                packed, self._held = self._held or self._source.read(_INPUT), b""
                if not packed:
                    break
            unpacked = self._stream.decompress(packed, _OUTPUT)
            self.consumed += len(packed) - len(self._stream.unused_data)
            if unpacked:
                return unpacked
        return b""

    def _next(self) -> bool:
        following = self._stream.unused_data
        if len(following) < len(self._magic):
            following += self._source.read(_INPUT)
        if not following.startswith(self._magic):
            return False
        self._stream, self._held = self._codec(), following
        return True


class _Zstd:
    """zstd through Arrow, which has it built in. Its window takes at most 128 MiB."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._stream: pa.CompressedInputStream | None = None
        self.consumed = 0
        self.closed = False

    def more(self) -> bytes:
        if self._stream is None:
            self._stream = pa.CompressedInputStream(pa.PythonFile(self, mode="r"), "zstd")
        try:
            return cast(bytes, self._stream.read(_OUTPUT))
        except OSError as exc:
            if "truncated" in str(exc).lower():
                return b""
            raise

    def read(self, size: int) -> bytes:
        data = self._source.read(size)
        self.consumed += len(data)
        return data


class Unpacked:
    """The decompressed bytes of a stream. A truncated stream ends early, like a truncated file.

    Raises, while reading:
        ShardError: ``shard_corrupt`` if the data cannot be decompressed or its checksum is wrong; ``bomb`` if it
            expands to more than ``expansion`` allows.
    """

    def __init__(self, source: Source, magic: bytes, packed: _Packed, expansion: Expansion) -> None:
        self._source = source
        self._name = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", ZSTD_MAGIC: "zstd"}.get(magic, "xz")
        self._packed = packed
        self._expansion = expansion
        self._unpacked = b""
        self._at = 0
        self._produced = 0

    def read(self, size: int, /) -> bytes:
        first = self._take(size)
        if len(first) == size:
            return first
        parts = [first]
        size -= len(first)
        while size and (part := self._take(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def skip(self, size: int) -> int:
        left = size
        while left and (part := self._take(left)):
            left -= len(part)
        return size - left

    def spent(self) -> int:
        return self._source.spent()

    def _take(self, size: int) -> bytes:
        if self._at == len(self._unpacked):
            self._unpacked, self._at = b"", 0
            self._unpacked = self._more() if size else b""
        part = self._unpacked[self._at : self._at + size]
        self._at += len(part)
        return part

    def _more(self) -> bytes:
        try:
            unpacked = self._packed.more()
        except _DAMAGE as exc:
            raise ShardError(
                "shard_corrupt",
                f"{self._name} data damaged after {self._packed.consumed:,} bytes ({exc}); copy the shard again",
            ) from exc
        self._produced += len(unpacked)
        # The size of a stream within a stream is limited by the object's size, too.
        self._expansion.check(self._produced, min(self._packed.consumed, self._source.spent()))
        self._expansion.grow(len(unpacked))
        return unpacked
