"""Whether a store does what it says: listings, ranges, replaced objects, conditional writes, the clock.

Some servers answer a request that they do not know as if they had understood it. A night would be complete with no
images, and nothing would tell. The probes compare answers with each other, on a few small objects that are deleted.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice

from steelflow.errors import ObjectExists, ObjectNotFound, StoreError
from steelflow.store.base import Store
from steelflow.store.clock import StoreClock

PROBES = "locks/probe/"
_KEYS = ("a/1", "a/2", "b/1", "b/c/1", "c d+é/1")
_FOLDERS = {"a", "b", "c d+é"}
_PAGE = 2  # objects on a page of a listing
_SAMPLE = 50  # objects of an archive that are compared
_WHOLE = 4 * 1024 * 1024  # bytes of an object that is read whole


@dataclass(frozen=True, slots=True)
class _Put:
    """What a probe put: objects with their bytes, below ``folder``."""

    store: Store
    folder: str
    held: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe found. ``text`` says what the store does, or what is wrong and what to do."""

    name: str
    ok: bool
    text: str


def probe(store: Store) -> list[Finding]:
    """Probe a store that can be written. Nothing is left in it.

    Raises:
        StoreError: nothing can be written, or the store does not answer.
    """
    folder = f"{PROBES}{uuid.uuid4().hex}/"
    held = {f"{folder}{key}": key.encode() * 3 for key in _KEYS}
    try:
        for key, data in held.items():
            store.put(key, data)
        put = _Put(store, folder, held)
        return [
            _found("listing", _listing, put),
            _found("ranges", _ranges, put),
            _found("conditional writes", _conditional, put),
            _clock(store),
        ]
    finally:
        with contextlib.suppress(StoreError):
            for key in [*held, f"{folder}new"]:
                store.delete(key)


def probe_readonly(store: Store) -> str | None:
    """What is wrong with the listings and ranges of a store that is only read, by its own objects; None if nothing is.

    Raises:
        StoreError: the store does not answer.
    """
    some = list(islice(store.list(), _SAMPLE))
    listed = {info.key.split("/")[0] for info in some if "/" in info.key}
    named = set(store.folders())
    if lacking := sorted(listed - named):
        return _no_folders(store.uri, lacking[0])
    small = next((info for info in some if 3 < info.size <= _WHOLE), None)
    if small is not None:
        with contextlib.suppress(ObjectNotFound):  # deleted meanwhile
            whole = store.get(small.key)
            if store.get(small.key, 1, 2) != whole[1:3]:
                return f"{store.uri}/{small.key}: {_NO_RANGES}"
    return None


class _Wrong(Exception):
    """What a probe found to be wrong."""


_NO_RANGES = (
    "the store gives other bytes than the range that was asked for; tar files cannot be read from it; update the "
    "store, or look for a proxy between that ignores ranges"
)


def _no_folders(uri: str, folder: str) -> str:
    return (
        f"{uri}: has objects below {folder}/, but its listing with a delimiter does not name that folder; nights would "
        "be found empty; update the store, or look for a proxy between that drops the query `delimiter`"
    )


def _found(name: str, test: Callable[[_Put], str], put: _Put) -> Finding:
    try:
        return Finding(name, True, test(put))
    except (_Wrong, StoreError) as exc:
        return Finding(name, False, str(exc))


def _listing(put: _Put) -> str:
    store, folder, held = put.store, put.folder, put.held
    listed = [info.key for info in store.list(folder)]
    if lacking := sorted(set(held) - set(listed)):
        raise _Wrong(
            f"{store.uri}: does not list {len(lacking)} of {len(held)} objects that were put just now; nights and "
            "locks need a store that lists what it has at once"
        )
    if len(listed) != len(set(listed)):
        raise _Wrong(f"{store.uri}: lists an object twice; nights would count images twice; update the store")
    sizes = {info.key: info.size for info in store.list(folder)}
    if wrong := [key for key in held if sizes.get(key) != len(held[key])]:
        raise _Wrong(f"{store.uri}: lists {wrong[0]} with {sizes.get(wrong[0])} bytes, it has {len(held[wrong[0]])}")
    if lacking := sorted(_FOLDERS - set(store.folders(folder))):
        raise _Wrong(_no_folders(store.uri, f"{folder}{lacking[0]}"))
    from steelflow.store.s3 import S3Store  # here: work on local folders does not need the S3 clients

    if isinstance(store, S3Store):
        paged = list(islice(store.paged(folder, _PAGE), 2 * len(held)))
        if sorted(paged) != sorted(held):
            raise _Wrong(
                f"{store.uri}: a listing of {len(held)} objects in pages of {_PAGE} gave {len(paged)}, "
                f"{len(set(paged))} of them different; folders with more than a page (1,000) would be read in part; "
                "update the store"
            )
    return "folders, pages and new objects are listed"


def _ranges(put: _Put) -> str:
    store, (key, data) = put.store, next(iter(put.held.items()))
    if store.get(key) != data:
        raise _Wrong(f"{store.uri}/{key}: the store gives other bytes than were put; do not use it")
    for start, length in ((0, 2), (2, 3), (len(data) - 2, 10), (len(data) + 5, 1)):
        if store.get(key, start, length) != data[start : start + length]:
            raise _Wrong(f"{store.uri}: {_NO_RANGES}")
    store.put(key, data[::-1])
    if store.get(key) != data[::-1]:
        raise _Wrong(f"{store.uri}/{key}: the store still gives an object that was replaced; look for a cache between")
    return "ranges and replaced objects are right"


def _conditional(put: _Put) -> str:
    from steelflow.store.s3 import S3Store

    store, key = put.store, f"{put.folder}new"
    if isinstance(store, S3Store):
        honoured = store.honours_conditions(key)
    else:
        store.put_new(key, b"first")
        try:
            store.put_new(key, b"second")
            honoured = False
        except ObjectExists:
            honoured = True
    if store.get(key) != b"first" and honoured:
        raise _Wrong(f"{store.uri}: refused to create an object that exists, and replaced it all the same")
    if honoured is None:
        return "refused by the store, and not used: promotions are guarded by the lock alone"
    if not honoured:
        return "ignored by the store: two that create one object both succeed; promotions are guarded by the lock alone"
    return "honoured: of two that create one object, one succeeds"


def _clock(store: Store) -> Finding:
    clock = StoreClock(store)
    clock.now()
    note = clock.note()
    return Finding("clock", note is None, note or "the clocks of this machine and of the store agree")
