"""A Ray cluster on this machine: a head that does no work, and nodes of one core. It asks for a token."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from steelflow.config import ExecutorSettings

_TOKEN = secrets.token_hex(32)  # Ray remembers the first one of a process
_STORE = 80 * 1024 * 1024  # bytes of each node's object store


_STATE = """
import sys, ray
from ray.experimental.internal_kv import _internal_kv_get as get, _internal_kv_list as keys
ray.init(sys.argv[1], log_to_driver=False, logging_level="ERROR")
state = ray._private.state.state
print("jobs", state.job_table(), "actors", state.actor_table(None), "workers", state.workers(), "tasks", ray.timeline())
for space in (None, "fun", "job", "session", "cluster", "tracing", "dashboard"):
    for key in keys(b"", namespace=space):
        print("kept", space, key, get(key, namespace=space))
"""


class Nodes:
    """``start`` and ``kill`` nodes; ``settings`` name the cluster."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", _TOKEN)
        from ray.cluster_utils import Cluster  # here: Ray reads the environment when it is imported

        ended = signal.getsignal(signal.SIGTERM)
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": _STORE}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        signal.signal(signal.SIGTERM, ended)  # a node that is started here sets its own
        self.nodes: list[Any] = []

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def start(self, count: int = 1, cpus: int = 1, gpus: int = 0) -> None:
        """Nodes. Ray believes in their GPUs; torch and onnxruntime look for themselves."""
        for _ in range(count):
            ended = signal.getsignal(signal.SIGTERM)
            self.nodes.append(self._cluster.add_node(num_cpus=cpus, num_gpus=gpus, object_store_memory=_STORE))
            signal.signal(signal.SIGTERM, ended)

    def raylet(self, number: int) -> int:
        """The process of a node, in the order of their start."""
        return int(self.nodes[number].all_processes["raylet"][0].process.pid)

    def kill(self, count: int | None = None) -> None:
        """SIGKILL for the newest nodes and their processes; all if ``count`` is not given."""
        for _ in range(len(self.nodes) if count is None else count):
            self.nodes.pop().kill_all_processes(check_alive=False, allow_graceful=False, wait=True)

    def silence(self) -> None:
        """SIGSTOP for the newest node and its processes: it neither works nor ends. SIGKILL is for ``kill`` later."""
        raylet = self.raylet(-1)
        for pid in [*(pid for pid in actors() if parent(pid) == raylet), raylet]:
            os.kill(pid, signal.SIGSTOP)

    def kill_head(self) -> None:
        self._cluster.head_node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)

    def logs(self) -> dict[str, bytes]:
        """All that Ray has written in the folder of its session, by file."""
        folder = Path(self._cluster.head_node.get_session_dir_path()) / "logs"
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def state(self) -> bytes:
        """What the cluster's control service keeps of jobs, actors, workers and tasks, and its key-value store."""
        command = [sys.executable, "-W", "ignore", "-c", _STATE, self.address]
        return subprocess.run(command, capture_output=True, check=True).stdout

    def settings(self, **given: Any) -> ExecutorSettings:
        return ExecutorSettings(kind="ray", address=self.address, **{"cpus": 1, "group_images": 20, **given})

    def end(self) -> None:
        self.kill()
        self._cluster.shutdown()


def actors(kind: str = "Inspector") -> list[int]:
    """The processes of actors on this machine."""
    pids = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and f"ray::{kind}".encode() in (folder / "cmdline").read_bytes():
                pids.append(int(folder.name))
        except OSError:
            continue
    return sorted(pids)


def parent(pid: int) -> int:
    """The process that started another one: of an actor, the ``raylet`` of its node."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def kill_an_actor() -> None:
    os.kill(actors()[0], signal.SIGKILL)


def gone_within(seconds: float) -> bool:
    """Whether all actors end within this time."""
    until = time.monotonic() + seconds
    while actors() and time.monotonic() < until:
        time.sleep(0.2)
    return not actors()


def environment_of(pid: int) -> bytes:
    """Empty if the process has ended, or has not begun its program."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def command_lines() -> list[bytes]:
    """Of every process of this machine, as `ps` shows them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            found.append(path.read_bytes())
    return found


def links() -> list[int]:
    """The processes that hold Ray for a driver."""
    found = subprocess.run(["pgrep", "-f", "steelflow.executor.link"], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]
