"""The objects of a plan in little room: a night may have millions, and each takes half a kilobyte as an ``ObjectInfo``
with its parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from steelflow.records import ObjectInfo

PLACE_BYTES = 10
_SIZE_BYTES = 8
_TEXT = PLACE_BYTES + _SIZE_BYTES


def pack(place: int, info: ObjectInfo) -> bytes:
    """Key, size and etag of an object, after its place: packed objects sort by place, an integer of ``PLACE_BYTES``."""
    text = f"{info.etag}\0{info.key}".encode("utf-8", "surrogatepass")  # a folder may hold names that are no Unicode
    return place.to_bytes(PLACE_BYTES, "big") + info.size.to_bytes(_SIZE_BYTES, "big") + text


def packed_key(record: bytes) -> bytes:
    """The key; UTF-8 sorts as the text does."""
    return record[record.index(b"\0", _TEXT) + 1 :]


class Packed(Sequence[ObjectInfo]):
    """What ``pack`` was given, in this order, and unpacked when it is looked at: without ``modified`` and metadata."""

    __slots__ = ("_records",)

    def __init__(self, records: Sequence[bytes]) -> None:
        self._records = tuple(records)

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> ObjectInfo: ...
    @overload
    def __getitem__(self, index: slice) -> Packed: ...
    def __getitem__(self, index: int | slice) -> ObjectInfo | Packed:
        return Packed(self._records[index]) if isinstance(index, slice) else _unpacked(self._records[index])

    def __iter__(self) -> Iterator[ObjectInfo]:
        return map(_unpacked, self._records)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Packed) and self._records == other._records

    def __hash__(self) -> int:
        return hash(self._records)


def _unpacked(record: bytes) -> ObjectInfo:
    etag, _, key = record[_TEXT:].decode("utf-8", "surrogatepass").partition("\0")
    return ObjectInfo(key, int.from_bytes(record[PLACE_BYTES:_TEXT], "big"), etag)
