"""A store of objects in a dict that records its requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from steelflow.errors import ObjectChanged, ObjectNotFound, StoreError
from steelflow.records import ObjectInfo


class MemoryStore:
    """Objects in a dict. ``asked`` records every ranged get."""

    def __init__(self, objects: Mapping[str, bytes] | None = None) -> None:
        self.objects = dict(objects or {})
        self.asked: list[tuple[str, int, int | None]] = []
        self.listed: list[str] = []

    @property
    def uri(self) -> str:
        return "memory"

    def info(self, key: str) -> ObjectInfo:
        return ObjectInfo(key, len(self.objects[key]), f"{hash(self.objects[key]):x}")

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self.listed.append(prefix)
        return (self.info(key) for key in self.objects if key.startswith(prefix))

    def folders(self, prefix: str = "") -> Iterator[str]:
        below = (key.removeprefix(prefix) for key in self.objects if key.startswith(prefix))
        return iter(sorted({rest.split("/", 1)[0] for rest in below if "/" in rest}))

    def stat(self, key: str) -> ObjectInfo:
        return self.info(key)

    def get(self, key: str, start: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        self.asked.append((key, start, length))
        if key not in self.objects:
            raise ObjectNotFound(key)
        if etag is not None and etag != self.info(key).etag:
            raise ObjectChanged(key)
        return self.objects[key][start : None if length is None else start + length]

    def get_many(
        self, keys: Sequence[str], etags: Sequence[str] | None = None
    ) -> Iterator[tuple[str, bytes | StoreError]]:
        for number, key in enumerate(keys):
            try:
                yield key, self.get(key, etag=etags[number] if etags else None)
            except (ObjectNotFound, ObjectChanged) as exc:
                yield key, exc

    def put(self, key: str, data: bytes | Path) -> ObjectInfo:
        raise NotImplementedError

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)
