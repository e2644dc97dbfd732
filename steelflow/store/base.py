"""The interface of object storage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from steelflow.errors import StoreError
from steelflow.records import ObjectInfo


class Store(Protocol):
    """A folder of objects. Keys are relative to its root and use ``/``. Objects are replaced whole, never changed.

    Every method raises only a ``StoreError`` of ours. It raises ``StoreUnreachable`` after the last retry.
    """

    @property
    def uri(self) -> str:
        """The root, as a user writes it: ``s3://bucket/prefix`` or a folder's path."""

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """All objects whose key starts with ``prefix``, as a stream in any order."""

    def folders(self, prefix: str = "") -> Iterator[str]:
        """The names of the folders directly below ``prefix``, which is empty or ends in ``/``."""

    def stat(self, key: str) -> ObjectInfo:
        """What is known of one object. Raises ``ObjectNotFound``."""

    def get(self, key: str, start: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        """``length`` bytes from ``start``; fewer at the end of the object. With ``etag``, raises ``ObjectChanged`` if
        the object was replaced."""

    def get_many(
        self, keys: Sequence[str], etags: Sequence[str] | None = None
    ) -> Iterator[tuple[str, bytes | StoreError]]:
        """Whole objects in the order of ``keys``, fetched concurrently, a bounded number ahead.

        An error of one object is yielded in its place: it is gone, it is refused (``ObjectUnreadable``), or, if
        ``etags`` are given, it was replaced (``ObjectChanged``). All other errors are raised."""

    def put(self, key: str, data: bytes | Path) -> ObjectInfo:
        """Create or replace an object in one step: a reader sees the old or the new object, never a part."""

    def put_new(self, key: str, data: bytes) -> ObjectInfo:
        """Create an object. If it exists, raises ``ObjectExists`` and changes nothing.

        On folders, and on S3 stores with conditional writes, one of several concurrent calls succeeds. Other stores,
        such as the embedded one, detect only objects that existed before the call: take a lock as well.
        """

    def delete(self, key: str) -> None:
        """Remove an object. A missing object is not an error."""
