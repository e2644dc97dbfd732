"""The one interface behind which object storage stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from steelflow.errors import StoreError
from steelflow.records import ObjectInfo


class Store(Protocol):
    """A folder of objects. Keys are relative to its root and use ``/``; objects are replaced whole, never changed.

    Every method raises a ``StoreError`` of ours; ``StoreUnreachable`` only after the retries are used up.
    """

    @property
    def uri(self) -> str:
        """Where the root is, as a user would write it: ``s3://bucket/prefix`` or a folder's path."""

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """All objects whose key starts with ``prefix``, as a stream in no promised order."""

    def folders(self, prefix: str = "") -> Iterator[str]:
        """The names directly below ``prefix`` (empty, or ending in ``/``) that have objects below them."""

    def stat(self, key: str) -> ObjectInfo:
        """What is known of one object. Raises ``ObjectNotFound``."""

    def get(self, key: str, start: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        """``length`` bytes from ``start``, fewer at the end of the object. With ``etag``, raises ``ObjectChanged``
        when the object is another one by now."""

    def get_many(self, keys: Sequence[str]) -> Iterator[tuple[str, bytes | StoreError]]:
        """Whole objects, fetched concurrently, yielded in the order of ``keys``, a bounded number ahead. An object
        that is gone, or whose key cannot be asked for, is yielded as its error; all other trouble raises."""

    def put(self, key: str, data: bytes | Path) -> ObjectInfo:
        """Create or replace an object in one step: a reader sees the old or the new one, never a part."""

    def put_new(self, key: str, data: bytes) -> ObjectInfo:
        """Create an object. Raises ``ObjectExists``, and changes nothing, when there is one.

        Of several at once one succeeds, on folders and on S3 stores with conditional writes. Stores without them, such
        as the embedded one, only see what was there before the call: take a lock as well.
        """

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
