"""Processes that a killed service or dashboard has left running. Each knows, by its environment, who started it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

_PARENT = "STEELFLOW_STARTED_BY"  # process id, start time and home
_GRACE_SECONDS = 20.0


def marked(home: Path) -> dict[str, str]:
    """The variable that a child of this process gets. Its own children inherit it."""
    return {_PARENT: f"{os.getpid()} {_born(os.getpid())} {home.absolute()}"}


def end_orphans(home: Path) -> int:
    """End the processes over this home whose parent has ended. Returns their number."""
    found = list(_orphans(home))
    for number in (signal.SIGINT, signal.SIGKILL):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + _GRACE_SECONDS
        while any(_born(pid) for pid in found) and time.monotonic() < deadline:
            time.sleep(0.05)
    return len(found)


def _orphans(home: Path) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            pid, born, of = _environment(process).get(_PARENT, "0 - -").split(" ", 2)
            if of == str(home.absolute()) and born != _born(int(pid)):
                yield int(process.name)


def _environment(process: Path) -> Mapping[str, str]:
    lines = (process / "environ").read_bytes().decode(errors="replace").split("\0")
    return dict(line.partition("=")[::2] for line in lines if "=" in line)


def _born(pid: int) -> str:
    """The start time of a process that runs, to distinguish it from a later one with the same id; empty if none."""
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    return ""
