"""The files of a running service in ``home/prefect``: its address, its processes, and a lock.

service.json       address and processes, while the service runs
service.lock       held by the process that runs the service
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from steelflow.config import Settings
from steelflow.errors import LockHeld
from steelflow.store.private import owner_only, write_own


def state_folder(settings: Settings) -> Path:
    return settings.home.absolute() / "prefect"


def running(settings: Settings) -> str | None:
    """The address of Prefect's server if ``steelflow up`` runs with these settings, else None."""
    state = state_folder(settings)
    with contextlib.suppress(OSError, ValueError, KeyError):
        with (state / "service.lock").open() as lock:
            if not _held(lock.fileno()):
                return None
        return str(json.loads(_file(state).read_text())["url"])
    return None


def record(state: Path, url: str, groups: Mapping[str, int]) -> None:
    """Record the address of the service, and its process groups by name."""
    write_own(_file(state), json.dumps({"url": url, "pid": os.getpid(), "groups": groups}))


def recorded_groups(state: Path) -> list[int]:
    """The process groups of the last recorded service, in start order."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return list(json.loads(_file(state).read_text())["groups"].values())
    return []


def forget(state: Path) -> None:
    _file(state).unlink(missing_ok=True)


@contextlib.contextmanager
def alone(state: Path) -> Iterator[None]:
    """Hold the lock of the service. Raises ``LockHeld`` if another process holds it."""
    with owner_only():
        opened = (state / "service.lock").open("a")
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            url, pid = "unknown", "?"
            with contextlib.suppress(OSError, ValueError, KeyError):
                known = json.loads(_file(state).read_text())
                url, pid = known["url"], known["pid"]
            raise LockHeld(
                f"the service already runs here (process {pid}, Prefect at {url}); "
                "stop it first, or name another `home` in the configuration"
            ) from None
        yield


def _held(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _file(state: Path) -> Path:
    return state / "service.json"
