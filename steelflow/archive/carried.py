"""Files whose names say nothing of images, and whose bytes do: an image called ``x.txt``, a tar called ``x.bak``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from steelflow.archive.gunzip import Expansion, is_packed, unpacked
from steelflow.archive.shard import ShardError
from steelflow.archive.sniff import PEEK, looks_like_image
from steelflow.archive.tar import BLOCK, is_header
from steelflow.config import MIB
from steelflow.errors import ObjectChanged, ObjectNotFound, ObjectUnreadable
from steelflow.records import Failure, ObjectInfo
from steelflow.store.base import Store
from steelflow.store.ordered import in_order

_BLOCK = MIB  # bzip2 gives nothing before its first block, of up to 900 kB, is there
_FACTOR = 1000
_THREADS = 8
_ZIP = b"PK\x03\x04"
_NAME_AT = 30  # of the first member of a zip
# Zips of other programs: office documents, Java, Python, NumPy, e-books.
_PROGRAMS = (b"[Content_Types].xml", b"_rels/", b"META-INF/", b"mimetype", b"word/", b"xl/", b"ppt/", b"docProps/")
_OTHERS = {b"7z\xbc\xaf\x27\x1c": "a 7z", b"Rar!\x1a\x07": "a RAR"}


def container(head: bytes) -> Failure | None:
    """The failure of a file that may carry images and whose name hides it; None for all others.

    Args:
        head: as ``peeked`` gives it, or all of its bytes.
    """
    what = _kind(head)
    if what is None:
        return None
    return Failure("unsupported", f"{what} by its content, not by its name; rename it, or unpack it")


def _kind(head: bytes) -> str | None:
    if is_header(head[:BLOCK]):
        return "a tar (.tar)"
    if head.startswith(_ZIP):
        name = head[_NAME_AT : _NAME_AT + int.from_bytes(head[26:28], "little")]
        return None if name.startswith(_PROGRAMS) or name.endswith((b".npy", b".py", b".class")) else "a zip (.zip)"
    for magic, kind in _OTHERS.items():
        if head.startswith(magic):
            return kind
    return _packed_kind(head) if is_packed(head) else None


def _packed_kind(head: bytes) -> str | None:
    try:
        source = _Head(head)
        stream = unpacked(source, head[:6], Expansion(_FACTOR, source.spent))
        inner = b"" if stream is None else stream.read(BLOCK)
    except ShardError:
        inner = b""
    if not inner:
        return "a compressed file that cannot be opened"
    if is_header(inner):
        return "a compressed tar (.tar.gz, .tar.zst, …)"
    return "a compressed image" if looks_like_image(inner) else None


def peeked(read: Callable[[int], bytes], size: int) -> bytes:
    """The first bytes of a file of ``size`` bytes, as many as are needed to know what it is."""
    head = read(min(PEEK, size))
    return head + read(min(_BLOCK, size - len(head))) if is_packed(head) else head


class _Head:
    """The first bytes of a file as a source."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def read(self, size: int, /) -> bytes:
        part = self._data[self._at : self._at + size]
        self._at += len(part)
        return part

    def skip(self, size: int) -> int:
        return len(self.read(size))

    def spent(self) -> int:
        return self._at


def misnamed(store: Store, objects: Sequence[ObjectInfo]) -> Iterable[ObjectInfo]:
    """Those of these objects whose content is that of an image or a container."""

    def peek(info: ObjectInfo) -> bytes:
        try:
            head = store.get(info.key, 0, PEEK)
            return store.get(info.key, 0, _BLOCK) if is_packed(head) and info.size > PEEK else head
        except (ObjectNotFound, ObjectUnreadable, ObjectChanged):
            return b""

    heads = in_order(peek, objects, _THREADS, ahead=2 * _THREADS, name="peek")
    return [info for info, head in zip(objects, heads, strict=True) if looks_like_image(head) or _kind(head)]
