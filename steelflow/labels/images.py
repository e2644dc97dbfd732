"""The bytes of labelled images, stored once under their SHA-256, and checked at every read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from steelflow.errors import LabelError, ObjectNotFound, StoreError
from steelflow.store.base import Store
from steelflow.store.ordered import in_order

_THREADS = 16


class Images:
    """The images below ``images/`` of a store. Images that no batch names do no harm."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, data: bytes) -> str:
        """Store an image if it is not there, and return its SHA-256 in hex."""
        image = hashlib.sha256(data).hexdigest()
        if not self._there(image, len(data)):
            self._store.put(_key(image), data)
        return image

    def put_many(self, images: Iterable[bytes]) -> Iterator[str]:
        """``put`` for each image, concurrently and in order, with a few images in memory."""
        return in_order(self.put, images, _THREADS, name="images")

    def get(self, image: str) -> bytes:
        """The bytes of an image. Raises ``LabelError`` if it is missing or was changed."""
        ((_, data),) = self.get_many([image])
        return data

    def get_many(self, images: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """``get`` for each image, concurrently and in order."""
        asked = list(images)
        found = self._store.get_many([_key(image) for image in asked])
        for image, (_, data) in zip(asked, found, strict=True):
            yield image, self._checked(image, data)

    def missing(self, images: Iterable[str]) -> list[str]:
        """The images that are not in the store."""
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="images") as pool:
            asked = list(images)
            return [image for image, there in zip(asked, pool.map(self._there, asked), strict=True) if not there]

    def _there(self, image: str, size: int | None = None) -> bool:
        try:
            return self._store.stat(_key(image)).size == size or size is None
        except ObjectNotFound:
            return False

    def _checked(self, image: str, data: bytes | StoreError) -> bytes:
        where = f"{self._store.uri}/{_key(image)}"
        if isinstance(data, StoreError):
            raise LabelError(f"{where}: a labelled image is missing; restore it, or import it again") from data
        if hashlib.sha256(data).hexdigest() != image:
            raise LabelError(f"{where}: the image was changed after it was labelled; restore it from a backup")
        return data


def _key(image: str) -> str:
    return f"images/{image[:2]}/{image}"
