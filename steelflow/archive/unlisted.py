"""Entries that the listing of an archive left out although they may hold images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from steelflow.archive.names import is_open, is_system, kind_of

_SAMPLE = 20
_LONGEST = 300  # characters of a reported name: a path may have thousands


@dataclass(slots=True)
class Unlisted:
    """All entries are counted, the first are named. System files and files of other kinds do not count."""

    count: int = 0
    sample: list[str] = field(default_factory=list)

    def add(self, key: str, why: str) -> None:
        """``key`` of a folder ends in ``/``."""
        if is_system(key) or not (key.endswith("/") or kind_of(key) or is_open(key)):
            return
        self.count += 1
        if len(self.sample) < _SAMPLE:
            name = key if len(key) <= _LONGEST else f"{key[: _LONGEST // 2]}…{key[-_LONGEST // 2 :]}"
            self.sample.append(f"{name}: not inspected: {why}")

    def sentences(self) -> Iterator[str]:
        yield from self.sample
        if self.count > len(self.sample):
            yield f"{self.count - len(self.sample):,} more files and folders not inspected"
