"""Types that the readers of shards share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from steelflow.archive.names import Ignored
from steelflow.records import Failure

Row = tuple[str | None, bytes | Failure]
"""An image member: its name, and its bytes or the failure. The name is None for the shard itself."""


class ShardError(Exception):
    """The rest of a shard cannot be read. The failure becomes the last row of the shard."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.failure = Failure(code, detail)


class Source(Protocol):
    """Bytes that are read forwards only."""

    def read(self, size: int, /) -> bytes:
        """``size`` bytes; fewer only at the end."""

    def skip(self, size: int) -> int:
        """Skip ``size`` bytes, fewer only at the end. Returns the number of skipped bytes."""

    def spent(self) -> int:
        """Bytes of the stored object that were read so far: what an expansion is measured against."""


@dataclass(frozen=True, slots=True)
class Others:
    """Takes the members that are not images. ``describe`` takes a sidecar: its name in the shard, and its bytes or
    the failure. ``nested`` gives the rows of a shard within the shard: by its name, its bytes and their number.
    ``peek`` reads the first bytes of a member of a size; ``container`` gives its failure if they are a container's."""

    ignored: Ignored
    describe: Callable[[str, bytes | Failure], None]
    nested: Callable[[str, Source, int], Iterator[Row]]
    peek: Callable[[Callable[[int], bytes], int], bytes]
    container: Callable[[bytes], Failure | None]


class Part:
    """The next ``size`` bytes of a source, as a source. ``head`` was read from it already."""

    def __init__(self, source: Source, size: int, head: bytes = b"") -> None:
        self._source, self._left, self._head = source, size - len(head), head

    def read(self, size: int, /) -> bytes:
        head, self._head = self._head[:size], self._head[size:]
        data = self._source.read(min(size - len(head), self._left))
        self._left -= len(data)
        return head + data if head else data

    def skip(self, size: int) -> int:
        head = len(self._head[:size])
        self._head = self._head[size:]
        moved = self._source.skip(min(size - head, self._left))
        self._left -= moved
        return head + moved

    def spent(self) -> int:
        return self._source.spent()

    def rest(self) -> int:
        """Skip what is left. Returns the number of bytes that are missing: 0, unless the source is cut."""
        self.skip(len(self._head) + self._left)
        return self._left


def within(shard: str, rows: Iterator[Row]) -> Iterator[Row]:
    """The rows of a shard within a shard, by their names in the outer one."""
    return ((shard if name is None else f"{shard}/{name}", data) for name, data in rows)


def too_large(size: int, limit: int, how: str = "limits.image_bytes") -> Failure:
    return Failure("too_large", f"{size:,} bytes, the limit is {limit:,} ({how})")
