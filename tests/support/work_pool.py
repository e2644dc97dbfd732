"""A Prefect server of a plant's own on PostgreSQL, its work pool, workers and the watch, as processes of a test."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import psutil
from postgres import postgres
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun
from prefect.deployments.runner import RunnerDeployment
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_HOME, temporary_settings

from flows.serve import ours
from steelflow.config import load_settings

PATIENCE = 300.0  # seconds, for a machine that is busy with other things
POOL = "steelflow"


class Plant:
    """A folder with ``steelflow.toml``, and the processes that work on it."""

    def __init__(self, folder: Path, api: str, secret: str) -> None:
        self.folder, self.config = folder, folder / "steelflow.toml"
        self._api, self._secret = api, secret
        self._processes: list[subprocess.Popen[bytes]] = []

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PREFECT_API_URL": self._api,
            "PREFECT_API_AUTH_STRING": self._secret,
            "PREFECT_HOME": str(self.folder / "prefect"),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "STEELFLOW_CONFIG": str(self.config),
        }

    @contextlib.contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        own = {PREFECT_API_URL: self._api, PREFECT_API_AUTH_STRING: self._secret, PREFECT_HOME: self.folder / "prefect"}
        with temporary_settings(own), get_client(sync_client=True) as client:
            yield client

    def deploy(self, name: str | None = None) -> UUID:
        """The nightly deployment on the work pool, without its schedule; under another name, a second one."""
        flow, options = next((flow, dict(options)) for flow, options in ours(load_settings(self.config)))
        options |= {"schedule": None, "name": name or options["name"]}
        with self.client() as client:
            with contextlib.suppress(Exception):  # it exists
                client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
            made = cast(RunnerDeployment, flow.to_deployment(**options))
            made.work_pool_name = POOL
            return cast(UUID, made.apply())

    def ask(self, deployment: UUID, **night: Any) -> FlowRun:
        with self.client() as client:
            return client.create_flow_run_from_deployment(deployment, parameters={"night": night})

    def run(self, one: FlowRun) -> FlowRun:
        """The run as it is now."""
        with self.client() as client:
            return client.read_flow_run(one.id)

    def worker(self, name: str) -> subprocess.Popen[bytes]:
        return self.start(name, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process", "--name", name)

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments], cwd=self.folder, env=self.environment(), stdout=log, stderr=log
            )
        self._processes.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL a process and all that it started, as if its machine had gone."""
        parent = psutil.Process(process.pid)
        parent.suspend()  # so that it reports no child's end
        for one in [*parent.children(recursive=True), parent]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait(PATIENCE)

    def wait(self, what: str, ready: Callable[[], Any]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            assert time.monotonic() < deadline, f"waiting for {what}:\n{self.logs()}"
            time.sleep(0.25)

    def logs(self) -> str:
        return "\n".join(f"== {path.name}\n{path.read_text()[-5000:]}" for path in sorted(self.folder.glob("*.log")))

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                self.kill(process)


@contextlib.contextmanager
def work_pool(folder: Path, server: Mapping[str, str] = {}) -> Iterator[Plant]:
    """A server on a new PostgreSQL. ``server``: more of its variables."""
    secret = f"prefect:{secrets.token_hex(16)}"
    with postgres() as database:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        own = {
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": database,
            "PREFECT_SERVER_API_AUTH_STRING": secret,
            "PREFECT_SERVER_API_HOST": "127.0.0.1",
            "PREFECT_SERVER_API_PORT": str(port),
            **server,
        }
        plant = Plant(folder, f"http://127.0.0.1:{port}/api", secret)
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "flows.server"], env=plant.environment() | own, stdout=log, stderr=log
            )
        try:
            plant.wait("the server", lambda: process.poll() is not None or _answers(f"{plant._api}/health", secret))
            assert process.poll() is None, plant.logs()
            yield plant
        finally:
            plant.close()
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def _answers(url: str, secret: str) -> bool:
    import base64

    request = urllib.request.Request(url)
    request.add_header("Authorization", f"Basic {base64.b64encode(secret.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
