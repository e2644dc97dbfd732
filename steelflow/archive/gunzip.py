"""A gzip stream, decompressed while it is read. Memory and expansion are bounded."""

from __future__ import annotations

import zlib

from steelflow.archive.shard import ShardError, Source
from steelflow.config import MIB

MAGIC = b"\x1f\x8b"
FLOOR = 64 * MIB  # a file may always expand to this size, whatever the ratio

_GZIP = zlib.MAX_WBITS | 16
_INPUT = MIB // 4
_OUTPUT = MIB


class Gunzip:
    """Reads one or more gzip members in sequence. Other data after them is ignored, as gzip does.

    A truncated stream ends early, like a truncated file.

    Raises, while reading:
        ShardError: ``shard_corrupt`` if the data cannot be decompressed or its checksum is wrong; ``bomb`` if it
        expands
            to more than ``expansion`` times the compressed bytes.
    """

    def __init__(self, source: Source, expansion: int) -> None:
        self._source = source
        self._expansion = expansion
        self._inflater = zlib.decompressobj(_GZIP)
        self._packed = b""
        self._unpacked = b""
        self._at = 0
        self._consumed = 0
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

    def _take(self, size: int) -> bytes:
        if self._at == len(self._unpacked):
            self._unpacked, self._at = b"", 0
            self._unpacked = self._inflate() if size else b""
        part = self._unpacked[self._at : self._at + size]
        self._at += len(part)
        return part

    def _inflate(self) -> bytes:
        """The next decompressed bytes; none at the end."""
        while not self._inflater.eof or self._next_member():
            packed = self._packed or self._source.read(_INPUT)
            try:
                unpacked = self._inflater.decompress(packed, _OUTPUT)
            except zlib.error as exc:
                raise ShardError(
                    "shard_corrupt", f"gzip data damaged after {self._consumed:,} bytes ({exc}); copy the shard again"
                ) from exc
            self._packed = self._inflater.unconsumed_tail
            self._consumed += len(packed) - len(self._packed) - len(self._inflater.unused_data)
            self._produced += len(unpacked)
            if self._produced > FLOOR + self._expansion * self._consumed:
                raise ShardError(
                    "bomb",
                    f"{self._consumed:,} bytes expand to more than {self._produced:,}; the limit is "
                    f"{self._expansion} times (limits.expansion)",
                )
            if unpacked:
                return unpacked
            if not packed:
                break
        return b""

    def _next_member(self) -> bool:
        following = self._inflater.unused_data
        if len(following) < len(MAGIC):
            following += self._source.read(_INPUT)
        if not following.startswith(MAGIC):
            return False
        self._inflater = zlib.decompressobj(_GZIP)
        self._packed = following
        return True
