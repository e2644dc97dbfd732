"""A lock made of objects: for work that several machines could start, on stores with no locks of their own.

Whoever wants the lock puts a claim, an object with a name of its own, and then lists the claims. Alone, it has the
lock; otherwise it takes its claim back and looks again later. Of two takers the one that lists last sees the other's
claim, so they never both have it, and nothing is asked of the store but that a listing shows what was put before it:
conditional writes, which some stores ignore in silence, are not needed.

The holder renews its claim while it works; one that was not renewed for ``TTL`` seconds, by the store's clock, is void
and is cleared away. On the same machine the claim of a dead process is noticed at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from steelflow.errors import LockHeld, ObjectNotFound, StoreError
from steelflow.records import ObjectInfo
from steelflow.store.base import Store

TTL = 60.0
_RENEW = 15.0
_POLL = 1.0
_CONTEST = 5.0  # seconds in which one of several takers of a free lock gets it


@dataclass(frozen=True, slots=True)
class _Claim:
    host: str
    machine: str
    pid: int
    born: str
    held: bool


@contextlib.contextmanager
def locked(store: Store, key: str, what: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock ``key`` while the context is open. Claims are objects below ``key/``.

    Args:
        what: the work, for the message to others.
        wait: seconds to wait for another holder.

    Raises:
        LockHeld: another one holds it still; says who.
    """
    claim = f"{key}/{uuid.uuid4().hex}"
    start = time.monotonic()
    while (other := _take(store, key, claim)) is not None:
        if time.monotonic() - start >= (wait if other.held else max(wait, _CONTEST)):
            raise LockHeld(
                f"{what} is already being done by process {other.pid} on {other.host}; "
                "wait for it to end, or give --wait SECONDS"
            )
        time.sleep(random.uniform(0.2, 1.0) * (_POLL if other.held else _POLL / 4))
    stop = threading.Event()
    keeper = threading.Thread(target=_renew, args=(store, claim, stop), name="lock", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join()
        with contextlib.suppress(StoreError):  # a claim that cannot be taken back runs out
            store.delete(claim)


def _take(store: Store, key: str, claim: str) -> _Claim | None:
    """None when the lock is ours now, else one that stands in the way."""
    other = _in_the_way(store, key, None)
    if other is not None and other.held:
        return other
    _put(store, claim, held=False)
    try:
        other = _in_the_way(store, key, claim)
        if other is None:
            _put(store, claim, held=True)
    except BaseException:
        with contextlib.suppress(StoreError):
            store.delete(claim)
        raise
    if other is not None:
        store.delete(claim)
    return other


def _in_the_way(store: Store, key: str, claim: str | None) -> _Claim | None:
    """A living claim of another one, a holder's before a taker's."""
    found = list(store.list(key + "/"))
    ours = next((info for info in found if info.key == claim), None)
    others = [other for info in found if info.key != claim and (other := _read(store, info, ours)) is not None]
    return max(others, key=lambda other: other.held, default=None)


def _read(store: Store, info: ObjectInfo, ours: ObjectInfo | None) -> _Claim | None:
    """The claim, or None when it is void. ``ours`` was put just now, and so tells the time by the store's clock."""
    try:
        claim = _Claim(**json.loads(store.get(info.key)))
    except ObjectNotFound:
        return None
    except (ValueError, TypeError):
        claim = _Claim("a machine with another version", "", 0, "", held=True)
    dead = bool(claim.machine) and claim.machine == _machine() and _born(claim.pid) != claim.born
    late = ours is not None and _age(info, ours) > TTL
    if not dead and not late:
        return claim
    store.delete(info.key)
    return None


def _age(info: ObjectInfo, ours: ObjectInfo) -> float:
    return (ours.modified - info.modified).total_seconds() if ours.modified and info.modified else 0.0


def _renew(store: Store, claim: str, stop: threading.Event) -> None:
    while not stop.wait(_RENEW):
        with contextlib.suppress(StoreError):  # the next round tries again, well before the claim runs out
            _put(store, claim, held=True)


def _put(store: Store, claim: str, held: bool) -> None:
    mine = _Claim(socket.gethostname(), _machine(), os.getpid(), _born(os.getpid()), held)
    store.put(claim, json.dumps(asdict(mine)).encode())


def _machine() -> str:
    """What process ids are unique in: this boot of this machine, and the container; empty where that is unknown."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    return ""


def _born(pid: int) -> str:
    """The start time of a process, which tells it from a later one with the same id; empty when there is none."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""
