"""Uploads and files that a killed process has not finished. No reader sees them, but they take space."""

from __future__ import annotations

from steelflow.store.base import Store
from steelflow.store.local import LocalStore


def drop_unfinished(store: Store, dry_run: bool = False) -> int:
    """Delete what writers that are gone have not finished. Returns its number.

    In a folder these are the temporary files of dead processes of this machine, in S3 the multipart uploads that are
    older than a day.
    """
    if isinstance(store, LocalStore):
        return store.drop_unfinished(dry_run)
    from steelflow.store.s3 import S3Store  # here: work without S3 does not need its clients

    return store.drop_unfinished(dry_run) if isinstance(store, S3Store) else 0
