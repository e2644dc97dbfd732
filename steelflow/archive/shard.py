"""Types that the readers of shards share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from steelflow.records import Failure

Row = tuple[str | None, bytes | Failure]
"""An image member: its name, and its bytes or the failure. The name is None for the shard itself."""


Describe = Callable[[str, bytes | Failure], None]
"""Takes a sidecar that a shard contains: its name in the shard, and its bytes or the failure."""


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


def too_large(size: int, limit: int, how: str = "limits.image_bytes") -> Failure:
    return Failure("too_large", f"{size:,} bytes, the limit is {limit:,} ({how})")
