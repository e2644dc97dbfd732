"""A lock made of objects, for work that several machines could start on a store without locks.

A process that wants the lock puts a claim, an object with a unique name, and then lists the claims. If its claim is the
only one, it has the lock. Otherwise it deletes its claim and tries again later. Of two processes, the one that lists
last sees the other claim, so both never have the lock. The store only has to list every object that was put before.
Conditional writes are not needed: some stores silently ignore them.

The holder renews its claim while it works. A claim that was not renewed for ``TTL`` seconds, by the store's clock, is
void and is deleted. On the same machine, the claim of a dead process is void at once.
"""

from __future__ import annotations

import contextlib
import datetime as dt
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

LOCKS = "locks/"  # where all locks of a store are
TTL = 60.0
_LONG = 3600.0
_RENEW = 15.0
_POLL = 1.0
_PUTS = 4  # of a claim that is not listed
_FIRST = f"-{0:09d}"  # the number of a claim that does not hold the lock yet
_CONTEST = 5.0  # seconds to wait if several processes want a free lock: one of them gets it by then


@dataclass(frozen=True, slots=True)
class _Claim:
    host: str
    machine: str
    pid: int
    born: str


@contextlib.contextmanager
def locked(store: Store, key: str, what: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock ``key`` while the context is open. Its claims are objects below ``key/``.

    Args:
        what: the work, for the error message of the others.
        wait: seconds to wait for another holder.

    Raises:
        LockHeld: another process still holds it; the message says which.
    """
    token = uuid.uuid4().hex
    start = time.monotonic()
    try:
        while (found := _take(store, key, token)) is not None:
            other, held = found
            if time.monotonic() - start >= (wait if held else max(wait, _CONTEST)):
                raise LockHeld(
                    f"{what} is already being done by process {other.pid} on {other.host}; "
                    "wait for it to end, or give --wait SECONDS"
                )
            time.sleep(random.uniform(0.2, 1.0) * (_POLL if held else _POLL / 4))
        stop = threading.Event()
        keeper = threading.Thread(target=_renew, args=(store, key, token, stop), name="lock", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            stop.set()
            keeper.join()
    finally:
        with contextlib.suppress(StoreError):  # a claim that cannot be deleted expires
            _withdraw(store, key, token)


def sweep(store: Store, dry_run: bool = False) -> int:
    """Delete the claims of dead holders below ``locks/``. Returns their number.

    A claim of another machine counts as dead if it is an hour old: holders renew theirs four times a minute, and clocks
    differ by less.
    """
    now, dead = dt.datetime.now(dt.UTC), 0
    for info in list(store.list(LOCKS)):
        late = info.modified is not None and (now - info.modified).total_seconds() > _LONG
        try:
            void = late or _is_dead(_Claim(**json.loads(store.get(info.key))))
        except ObjectNotFound:
            continue
        except (ValueError, TypeError):
            void = False  # of another version, or no claim
        if void:
            dead += 1
            if not dry_run:
                store.delete(info.key)
    return dead


def _take(store: Store, key: str, token: str) -> tuple[_Claim, bool] | None:
    """None if the lock is ours now; otherwise another claim, and whether it holds the lock."""
    other = _other(store, key, token)
    if other is None:
        _put(store, key, token, 1)
    else:
        _withdraw(store, key, token)
    return other


def _other(store: Store, key: str, token: str) -> tuple[_Claim, bool] | None:
    """Put our claim. Returns a valid claim of another process; the holder's claim first."""
    newest, ours = _claimed(store, key, token)
    living = [(claim, not info.key.endswith(_FIRST)) for info in newest.values() if (claim := _read(store, info, ours))]
    return max(living, key=lambda found: found[1], default=None)


def _claimed(store: Store, key: str, token: str) -> tuple[dict[str, ObjectInfo], ObjectInfo]:
    """Put our claim, and list: the newest object of each other claim, and ours.

    The embedded server removes a folder whose last object was deleted, and can take a new object with it. So a claim
    that is not listed is put again.
    """
    for _ in range(_PUTS):
        _put(store, key, token, 0)
        listed = sorted(store.list(f"{key}/"), key=lambda info: info.key)
        newest = {info.key.rpartition("-")[0]: info for info in listed}
        if (ours := newest.pop(f"{key}/{token}", None)) is not None:
            return newest, ours
    raise StoreError(
        f"{store.uri}/{key}: a listing does not show a new object; locks need a store that lists it at once"
    )


def _read(store: Store, info: ObjectInfo, ours: ObjectInfo) -> _Claim | None:
    """The claim, or None if it is void. ``ours`` was put just now: its time is the store's clock."""
    try:
        claim = _Claim(**json.loads(store.get(info.key)))
    except ObjectNotFound:
        return None
    except (ValueError, TypeError):
        claim = _Claim("a machine with another version", "", 0, "")
    dead = _is_dead(claim)
    age = (ours.modified - info.modified).total_seconds() if ours.modified and info.modified else 0.0
    if not dead and age < -TTL:  # the store's clock was set back: from now on the claim ages, unless it is renewed
        store.put(info.key, json.dumps(asdict(claim)).encode())
    if not dead and age <= TTL:
        return claim
    store.delete(info.key)
    return None


def _is_dead(claim: _Claim) -> bool:
    """Whether the claim is of a process of this machine that has ended."""
    return claim.machine != "" and claim.machine == _machine() and claim.born != _born(claim.pid)


def _renew(store: Store, key: str, token: str, stop: threading.Event) -> None:
    number = 1
    while not stop.wait(_RENEW):
        with contextlib.suppress(StoreError):  # the next round tries again, well before the claim expires
            _put(store, key, token, number + 1)
            number += 1
            store.delete(_name(key, token, number - 2))


def _name(key: str, token: str, number: int) -> str:
    """A renewal has a new name, and the object before it stays for a while. So every listing shows one of them, even on
    a store that replaces an object in two steps."""
    return f"{key}/{token}-{number:09d}"


def _put(store: Store, key: str, token: str, number: int) -> None:
    mine = _Claim(socket.gethostname(), _machine(), os.getpid(), _born(os.getpid()))
    store.put(_name(key, token, number), json.dumps(asdict(mine)).encode())


def _withdraw(store: Store, key: str, token: str) -> None:
    for info in list(store.list(f"{key}/{token}-")):
        store.delete(info.key)


def _machine() -> str:
    """The scope in which process ids are unique: this boot of this machine, and the container. Empty if unknown."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    return ""


def _born(pid: int) -> str:
    """The start time of a process, to distinguish it from a later process with the same id. Empty if there is none."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""
