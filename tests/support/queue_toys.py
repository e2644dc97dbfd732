"""Jobs for a queue that take no time. A process of its own loads this module: it imports next to nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from steelflow.errors import DataError


@dataclass(frozen=True)
class Toy:
    name: str
    group: str = ""


def work(job: Toy, folder: Path, tell: Callable[[int, int], None]) -> float:
    """Writes down that it began and ended; its name says what becomes of it."""
    with (folder / "events").open("a") as file:
        file.write(f"+{job.name} ")
    tell(1, 2)
    if job.name == "modest":
        autogroup = Path("/proc/self/autogroup")
        told = autogroup.read_text() if autogroup.exists() else ""
        (folder / "priority").write_text(f"{os.nice(0)} {told}")
    if job.name == "bad":
        raise DataError("no images in it; add some")
    if job.name == "broken":
        raise ValueError("what nobody foresaw")
    if job.name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.name == "long" and not (folder / "short").exists():
        time.sleep(60)
    if job.name.startswith("slow"):
        time.sleep(0.5)
    tell(2, 2)
    with (folder / "events").open("a") as file:
        file.write(f"-{job.name} ")
    return 0.5
