"""Start, watch and end the child processes of the service."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from steelflow.errors import ServiceError
from steelflow.service.state import forget, record, recorded_groups
from steelflow.store.private import OWNER_ONLY, owner_only

STATE = "PREFECT_HOME"  # the variable that all children have, with the folder of the service's state
_START_SECONDS = 180.0
_GRACE_SECONDS = 40.0


class Children:
    """Python processes, each the leader of its own process group. So only the parent gets Ctrl-C, and the processes of
    a child end with it. On exit from the context they end in reverse order. Their logs are ``state/<name>.log``."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
        """Run ``python <arguments>``."""
        with owner_only(), self._log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603  our own interpreter and modules
                [sys.executable, *arguments],
                env={**environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=OWNER_ONLY,
            )

    def record(self, url: str) -> None:
        """Record the processes, so that the next service can end them after a crash."""
        record(self._state, url, {name: process.pid for name, process in self._running.items()})

    def check(self) -> None:
        """Raises ``ServiceError``, which names the log, if a process has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise ServiceError(
                    f"the {name} process ended unexpectedly ({process.returncode}); its log is {self._log(name)}; "
                    "start the service again; interrupted runs resume"
                )

    def wait(self, stop: threading.Event, ready: Callable[[], bool]) -> bool:
        """Wait until ``ready``. Returns False if ``stop`` is set first."""
        deadline = time.monotonic() + _START_SECONDS
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"Prefect's server did not start in {_START_SECONDS:.0f} s; see {self._log('server')}"
                )
            if stop.wait(0.2):
                return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running.values()):
            _end_group(process.pid, process)
        forget(self._state)

    def _log(self, name: str) -> Path:
        return self._state / f"{name}.log"


def end_leftovers(state: Path) -> None:
    """End the processes that a killed service has left running."""
    for group in reversed(recorded_groups(state)):
        if _is_ours(group, state):
            _end_group(group)
    forget(state)


def _is_ours(group: int, state: Path) -> bool:
    """Whether a process of the group is of a service over this state; process ids can be reused."""
    mark = f"{STATE}={state}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            of_group = int((process / "stat").read_text().rpartition(")")[2].split()[2])
            if of_group == group and mark in (process / "environ").read_bytes().split(b"\0"):
                return True
    return False


def _end_group(group: int, leader: subprocess.Popen[bytes] | None = None) -> None:
    """End a process and its children: with SIGINT, or with SIGTERM if the process itself has ended."""
    deadline = time.monotonic() + _GRACE_SECONDS
    with contextlib.suppress(ProcessLookupError):
        try:
            os.kill(group, signal.SIGINT)  # on SIGTERM, Prefect's runner exits but its flow runs continue
        except ProcessLookupError:
            os.killpg(group, signal.SIGTERM)
        while time.monotonic() < deadline:
            if leader is not None:
                leader.poll()
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)
    if leader is not None:
        leader.wait()
