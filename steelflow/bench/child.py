"""A program in a process of its own: seconds by the clock, processor seconds and peak memory, with its children."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steelflow.errors import DataError

_EVERY = 0.1  # seconds between two looks at the memory
_SHOWN = 300  # characters of an error


@dataclass(frozen=True, slots=True)
class Ran:
    """``wall`` and ``cpu`` in seconds; ``peak_mib`` is the highest sum over the process and its children, where pages
    that they share count once, and 0 where Linux does not tell; ``said`` is its standard output."""

    wall: float
    cpu: float
    peak_mib: float
    said: str


def ran(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Ran:
    """Run ``python`` with ``arguments``. Raises ``DataError`` if it fails."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603  our own modules
            [sys.executable, *arguments], stdout=out, stderr=err, env={**os.environ, **(environment or {})}
        )
        ended, peak = threading.Event(), [0]
        watcher = threading.Thread(target=_watch, args=(process.pid, ended, peak))
        watcher.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            ended.set()
            watcher.join()
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise DataError(f"benchmark: {arguments[:3]} failed: {err.read().decode(errors='replace')[-_SHOWN:]}")
        return Ran(wall, used.ru_utime + used.ru_stime, peak[0] / 1024, out.read().decode())


def _watch(pid: int, ended: threading.Event, peak: list[int]) -> None:
    while not ended.wait(_EVERY):
        peak[0] = max(peak[0], sum(map(_kib, _family(pid))))


def _family(pid: int) -> list[int]:
    """A process, its children, and theirs."""
    found = [pid]
    for one in found:
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except (OSError, ValueError):  # it has just ended
            continue
    return found


def _kib(pid: int) -> int:
    """Its share of memory: a page that n processes share counts one n-th."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("Pss:")))
    except (OSError, StopIteration):
        return 0
