"""A queue of long jobs that can be killed and resumed: each job has its own process and its state on disk.

A finished job is never repeated. A failed job is recorded with its reason; the other jobs continue. A killed queue
resumes when it is started again. Each job resumes its own work.
"""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from steelflow.errors import LockHeld, SteelflowError

_POLL = 5.0  # seconds between two checks of the jobs
_SAY_EVERY = 600.0  # seconds between two progress lines of a running job


class Job(Protocol):
    @property
    def name(self) -> str:
        """The unique name of the job and of its state on disk."""
        ...

    @property
    def group(self) -> str:
        """Jobs of one group write to the same file, so they do not run at the same time."""
        ...


J = TypeVar("J", bound=Job)
Work = Callable[[J, Path, Callable[[int, int], None]], float]
"""Runs a job with its state below a folder, reports the finished epochs and the total number, and returns the accuracy.
It is called in another process, so it must be picklable: a module-level function, or a partial of one."""


@dataclass(frozen=True, slots=True)
class Status:
    """The status of a job."""

    state: Literal["waiting", "running", "interrupted", "done", "failed"] = "waiting"
    epoch: int = 0
    epochs: int = 0
    accuracy: float | None = None
    reason: str = ""
    seconds: float = 0.0  # run time, over all starts

    def __str__(self) -> str:
        hours = f"{self.seconds / 3600:.2f} h"
        at = f"epoch {self.epoch} of {self.epochs}, {hours}" if self.epochs else "its first epoch"
        if self.state == "done":
            return f"done, {self.accuracy:.2%}, {hours}"
        if self.state == "failed":
            return f"failed: {self.reason}"
        return {"waiting": "waiting", "running": f"running, {at}", "interrupted": f"interrupted, {at}"}[self.state]


def status(jobs: Sequence[Job], folder: Path) -> list[Status]:
    """The status of each job, read from ``folder``."""
    found = [_read(folder, job) for job in jobs]
    if any(one.state == "running" for one in found) and not is_running(folder):
        found = [replace(one, state="interrupted") if one.state == "running" else one for one in found]
    return found


def is_running(folder: Path) -> bool:
    """Whether a queue is running on ``folder``."""
    if not (folder / "lock").is_file():
        return False
    try:
        with _locked(folder):
            return False
    except LockHeld:
        return True


def run_queue(
    jobs: Sequence[J],
    folder: Path,
    work: Work[J],
    *,
    workers: int = 1,
    again: bool = False,
    nice: int = 19,
    say: Callable[[str], None] = lambda _: None,
) -> list[Status]:
    """Run ``jobs`` in order, ``workers`` at a time, each in its own process.

    Args:
        folder: for the state of the queue and the jobs.
        again: retry failed jobs.
        nice: the niceness of the processes; 19 is the lowest priority.
        say: called with a line when a job begins, ends or fails, and with progress in between.

    Returns:
        The final status of each job.

    Raises:
        LockHeld: another queue runs on ``folder``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        Queue(folder, work, say, nice).run([job for job in jobs if _is_due(_read(folder, job), again)], workers)
    return status(jobs, folder)


@dataclass(frozen=True, slots=True)
class Queue(Generic[J]):
    folder: Path
    work: Work[J]
    say: Callable[[str], None]
    nice: int

    def run(self, jobs: Sequence[J], workers: int) -> None:
        waiting, running = list(jobs), list[tuple[J, SpawnProcess]]()
        said = dict[str, float]()
        while waiting or running:
            busy = {job.group for job, _ in running}
            while len(running) < workers and (job := _next(waiting, busy)) is not None:
                waiting.remove(job)
                busy.add(job.group)
                self.say(f"{job.name}: begins")
                said[job.name] = time.monotonic()
                running.append((job, self.start(job)))
            wait([process.sentinel for _, process in running], timeout=_POLL)
            for job, process in [pair for pair in running if not pair[1].is_alive()]:
                running.remove((job, process))
                self.end(job, process.exitcode)
            for job, _ in running:
                if time.monotonic() - said[job.name] >= _SAY_EVERY:
                    said[job.name] = time.monotonic()
                    self.say(f"{job.name}: {_read(self.folder, job)}")

    def start(self, job: J) -> SpawnProcess:
        before = _read(self.folder, job)
        _write(self.folder, job, replace(before, state="running", reason=""))
        process = multiprocessing.get_context("spawn").Process(
            target=_do, args=(job, self.folder, self.work, self.nice), daemon=False
        )
        process.start()
        return process

    def end(self, job: J, code: int | None) -> None:
        """Record a failure if the process ended without writing its result."""
        found = _read(self.folder, job)
        if found.state == "running":
            killed = f"by signal {-code}, perhaps out of memory" if code and code < 0 else f"with code {code}"
            _write(self.folder, job, replace(found, state="failed", reason=f"its process was ended {killed}"))
        self.say(f"{job.name}: {_read(self.folder, job)}")


def _do(job: J, folder: Path, work: Work[J], nice: int) -> None:
    """Run the job; called in its own process."""
    _end_with_the_queue()
    _step_back(nice)
    began, before = time.monotonic(), _read(folder, job)

    latest = before

    def now(**fields: Any) -> None:
        nonlocal latest
        latest = replace(latest, seconds=round(before.seconds + time.monotonic() - began, 1), **fields)
        _write(folder, job, latest)

    try:
        accuracy = work(job, folder, lambda epoch, epochs: now(epoch=epoch, epochs=epochs))
    except SteelflowError as exc:
        now(state="failed", reason=str(exc))
        return
    except Exception as exc:
        now(state="failed", reason=f"{type(exc).__name__}: {exc}")
        raise  # the full traceback goes to the log
    now(state="done", accuracy=accuracy)


def _end_with_the_queue() -> None:
    """End this process when the queue ends; otherwise the next queue would start the job a second time."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a job needs its own process: start it with run_queue"

    def watch(sentinel: int = parent.sentinel) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _step_back(nice: int) -> None:
    """Take the priority, and let the kernel kill this process first if memory runs out.

    Linux shares the cores between sessions before it looks at the niceness of their processes (autogroups). So the
    process starts a session of its own and gives that the niceness, too.
    """
    os.nice(nice)
    with suppress(OSError):
        os.setsid()
        Path("/proc/self/autogroup").write_text(str(nice))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the queue. The kernel releases it when the process ends, also after a crash."""
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise LockHeld(f"{folder}: another queue runs on this folder; wait for it, or name another folder") from exc
        yield


def _is_due(found: Status, again: bool) -> bool:
    return found.state != "done" and (again or found.state != "failed")


def _next(waiting: Sequence[J], busy: set[str]) -> J | None:
    return next((job for job in waiting if job.group not in busy), None)


def _file(folder: Path, job: Job) -> Path:
    return folder / "state" / f"{job.name}.json"


def _read(folder: Path, job: Job) -> Status:
    """Read the status. If the file cannot be read, the job is waiting; it will resume its own work."""
    try:
        return Status(**json.loads(_file(folder, job).read_text()))
    except (OSError, ValueError, TypeError):
        return Status()


def _write(folder: Path, job: Job, status: Status) -> None:
    """Write the status atomically."""
    path = _file(folder, job)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(asdict(status)) + "\n")
    partial.replace(path)
