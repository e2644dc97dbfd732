"""A lock that is an object: for work that several machines could start, on stores with no locks of their own.

The holder renews it while it works; a lock that was not renewed for ``TTL`` seconds is free. On the same machine a
dead holder is noticed at once. S3 stores differ in conditional writes (some ignore them in silence), so two takers
within the same instant are told apart by reading back: the last writer has it. The reports do not depend on that
being perfect, since two runs of one night write the same objects; the lock saves the double work.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from steelflow.errors import LockHeld, ObjectNotFound, StoreError
from steelflow.store.base import Store

TTL = 60.0
_RENEW = 15.0
_SETTLE = 0.25
_POLL = 1.0


@contextlib.contextmanager
def locked(store: Store, key: str, what: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock ``key`` while the context is open.

    Args:
        what: the work, for the message to others.
        wait: seconds to wait for another holder.

    Raises:
        LockHeld: another one holds it still; says who.
    """
    token = uuid.uuid4().hex
    deadline = time.monotonic() + wait
    while (holder := _take(store, key, token)) is not None:
        if time.monotonic() >= deadline:
            raise LockHeld(
                f"{what} is already being done by process {holder['pid']} on {holder['host']}; "
                "wait for it to end, or give --wait SECONDS"
            )
        time.sleep(_POLL)
    stop = threading.Event()
    keeper = threading.Thread(target=_renew, args=(store, key, token, stop), name="lock", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join()
        with contextlib.suppress(StoreError):
            if (current := _read(store, key)) and current["token"] == token:
                store.delete(key)


def _take(store: Store, key: str, token: str) -> dict[str, Any] | None:
    """None when the lock is ours now, else its holder."""
    holder = _read(store, key)
    if holder is not None and _alive(holder):
        return holder
    _write(store, key, token)
    time.sleep(_SETTLE)
    holder = _read(store, key)
    return None if holder is not None and holder["token"] == token else holder or _nobody()


def _renew(store: Store, key: str, token: str, stop: threading.Event) -> None:
    while not stop.wait(_RENEW):
        with contextlib.suppress(StoreError):  # the next round tries again, well before the lock runs out
            _write(store, key, token)


def _write(store: Store, key: str, token: str) -> None:
    text = {"token": token, "host": socket.gethostname(), "pid": os.getpid(), "born": _born(os.getpid())}
    store.put(key, json.dumps({**text, "renewed": time.time()}).encode())


def _read(store: Store, key: str) -> dict[str, Any] | None:
    try:
        holder: dict[str, Any] = json.loads(store.get(key))
    except (ObjectNotFound, ValueError):
        return None
    return holder if {"token", "host", "pid", "born", "renewed"} <= holder.keys() else None


def _alive(holder: dict[str, Any]) -> bool:
    if holder["host"] == socket.gethostname() and Path("/proc").exists() and _born(holder["pid"]) != holder["born"]:
        return False
    return time.time() - float(holder["renewed"]) < TTL


def _born(pid: int) -> str:
    """The start time of a process, which tells it from a later one with the same id; empty when there is none."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""


def _nobody() -> dict[str, Any]:
    return {"pid": "?", "host": "another machine"}
