"""Clocks that are wrong: how far the clock of a machine is from the clock of the store that all machines share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from steelflow.records import ObjectInfo
from steelflow.store.local import LocalStore

CLOCKS = {
    "an hour behind": dt.timedelta(hours=-1),
    "an hour ahead": dt.timedelta(hours=1),
    "ten years behind": dt.timedelta(days=-3653),
    "ten years ahead": dt.timedelta(days=3653),
}
"""How far the machine is ahead of the store."""


class SeenFrom(LocalStore):
    """A store as a machine sees it whose clock is ``ahead`` of the store's: the store's times are that much behind."""

    def __init__(self, root: Path, ahead: dt.timedelta) -> None:
        super().__init__(root, create=True)
        self._ahead = ahead

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        return map(self._told, super().list(prefix))

    def stat(self, key: str) -> ObjectInfo:
        return self._told(super().stat(key))

    def put(self, key: str, data: Any) -> ObjectInfo:
        return self._told(super().put(key, data))

    def put_new(self, key: str, data: bytes) -> ObjectInfo:
        return self._told(super().put_new(key, data))

    def _told(self, info: ObjectInfo) -> ObjectInfo:
        assert info.modified is not None
        return info._replace(modified=info.modified - self._ahead)
