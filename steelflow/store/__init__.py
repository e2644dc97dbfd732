"""Object storage: S3-compatible stores and local folders behind one interface (``store.base.Store``)."""

from __future__ import annotations

from pathlib import Path

from steelflow.config import StoreSettings
from steelflow.errors import ConfigError
from steelflow.store.base import Store
from steelflow.store.local import LocalStore

__all__ = ["Store", "open_store"]


def open_store(uri: str, settings: StoreSettings, create: bool = False) -> Store:
    """The store at ``s3://bucket/prefix``, or at a folder's path. No connection is opened yet.

    With ``create``, a missing folder is created by the first object. A bucket must exist.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return LocalStore(Path(uri).expanduser(), create)
    if scheme == "file":
        return LocalStore(Path(rest), create)
    if scheme != "s3":
        raise ConfigError(f"{uri}: unknown scheme {scheme!r}; use s3://bucket/prefix or a folder's path")
    from steelflow.store.s3 import S3Store  # here: work on local folders does not need the S3 clients

    bucket, _, prefix = rest.partition("/")
    return S3Store(bucket, prefix, settings)
