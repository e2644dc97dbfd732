"""Hard links within a tar: the image of another member, by one more name."""

from __future__ import annotations

from collections import OrderedDict

from steelflow.archive.shard import Source
from steelflow.archive.stream import ObjectReader
from steelflow.config import MIB

_PLACES = 100_000  # members whose place is known, some 20 MiB
_KEPT = 16 * MIB  # bytes of the last images, where nothing can be read twice
_FLOOR = 64 * MIB  # bytes that links may always add
_TIMES = 10  # and times what was read of the shard


class Targets:
    """The images that hard links may lead to. A tar that is stored as it is can be read again at any place; of one that
    is unpacked while it is read, the last images are kept.

    What links add is bounded: a small tar may have a million links to a large image.
    """

    def __init__(self, source: Source) -> None:
        self._file = source if isinstance(source, ObjectReader) else None
        self._source = source
        self._places: dict[str, tuple[int, int]] = {}
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._held = 0
        self._added = 0

    def add(self, name: str, data: bytes) -> None:
        """Remember an image whose bytes were just read."""
        if self._file is not None:
            if len(self._places) < _PLACES:
                self._places[_plain(name)] = (self._file.tell() - len(data), len(data))
        elif len(data) <= _KEPT:
            self._kept[_plain(name)] = data
            self._held += len(data)
            while self._held > _KEPT:
                self._held -= len(self._kept.popitem(last=False)[1])

    def find(self, name: str) -> bytes | None:
        """The bytes of an image that was added before; None if they cannot be had, or if links add too much."""
        plain = _plain(name)
        place = self._places.get(plain)
        size = place[1] if place else len(self._kept.get(plain, b""))
        self._added += size
        if self._added > _FLOOR + _TIMES * self._source.spent():
            return None
        if self._file is None or place is None:
            return self._kept.get(plain)
        after = self._file.tell()
        self._file.seek(place[0])
        data = self._file.read(size)
        self._file.seek(after)
        return data


def _plain(name: str) -> str:
    while name.startswith("./"):
        name = name[2:]
    return name
