"""The objects of a plan in little memory. A night may have millions of them, and an ``ObjectInfo`` with its parts takes
half a kilobyte."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import overload

from steelflow.records import ObjectInfo

PLACE_BYTES = 10
_SIZE_BYTES = 8


def pack(place: int, info: ObjectInfo) -> bytes:
    """Place, size, etag and key of an object. Packed objects sort by place, an integer of ``PLACE_BYTES``."""
    text = f"{info.etag}\0{info.key}".encode("utf-8", "surrogatepass")  # folders may have names that are not Unicode
    return place.to_bytes(PLACE_BYTES, "big") + info.size.to_bytes(_SIZE_BYTES, "big") + text


def packed_key(record: bytes) -> bytes:
    """The key. UTF-8 sorts like the text."""
    return record[record.index(b"\0", PLACE_BYTES + _SIZE_BYTES) + 1 :]


class Packed(Sequence[ObjectInfo]):
    """The objects that ``pack`` packed, in the same order, unpacked on access: without ``modified``."""

    __slots__ = ("_bytes", "_ends")

    def __init__(self, records: Sequence[bytes]) -> None:
        parts = [record[PLACE_BYTES:] for record in records]
        self._bytes = b"".join(parts)
        self._ends = array("Q", accumulate(map(len, parts)))

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> ObjectInfo: ...
    @overload
    def __getitem__(self, index: slice) -> list[ObjectInfo]: ...
    def __getitem__(self, index: int | slice) -> ObjectInfo | list[ObjectInfo]:
        places = range(len(self))[index]
        return self._at(places) if isinstance(places, int) else [self._at(place) for place in places]

    def __iter__(self) -> Iterator[ObjectInfo]:
        return map(self._at, range(len(self)))

    def all_end_with(self, suffixes: tuple[str, ...]) -> bool:
        """Whether all keys have one of these ASCII suffixes, in upper or lower case. No object is unpacked."""
        longest, wanted = max(map(len, suffixes)), tuple(suffix.encode() for suffix in suffixes)
        return all(self._bytes[end - longest : end].lower().endswith(wanted) for end in self._ends)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Packed) and (self._bytes, self._ends) == (other._bytes, other._ends)

    def __hash__(self) -> int:
        return hash(self._bytes)

    def _at(self, place: int) -> ObjectInfo:
        start = self._ends[place - 1] if place else 0
        text = start + _SIZE_BYTES
        etag, _, key = self._bytes[text : self._ends[place]].decode("utf-8", "surrogatepass").partition("\0")
        return ObjectInfo(key, int.from_bytes(self._bytes[start:text], "big"), etag)
