"""The listing of an archive, which other programs fill: what cannot be listed is reported and left out."""

from __future__ import annotations

from collections.abc import Iterator

from steelflow.records import ObjectInfo
from steelflow.store.base import Store
from steelflow.store.local import LocalStore
from steelflow.store.walk import Told


def foreign_objects(store: Store, prefix: str, told: Told) -> Iterator[ObjectInfo]:
    """As ``Store.list``. In a folder, ``told`` takes what cannot be listed: without permission, a loop of links, a path
    that is too long, a link out of the archive, a pipe or a device. A link to nothing is an object without bytes.

    Raises:
        StoreError: the store, or the root of a folder, cannot be listed.
    """
    return store.walk(prefix, told) if isinstance(store, LocalStore) else store.list(prefix)


def foreign_folders(store: Store, prefix: str, told: Told) -> Iterator[str]:
    """As ``Store.folders``, see ``foreign_objects``."""
    return store.walk_folders(prefix, told) if isinstance(store, LocalStore) else store.folders(prefix)
