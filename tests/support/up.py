"""``steelflow up`` as a process that tests start, ask and end."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_HOME, temporary_settings

from steelflow.config import Settings, load_settings
from steelflow.service.secret import api_secret
from steelflow.service.state import running

PATIENCE = 300.0  # seconds, for a machine that is busy with other things


class Up:
    """``steelflow up`` in a folder, with a night every minute."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.config = folder / "steelflow.toml"
        self.process: subprocess.Popen[bytes] | None = None
        self.options: list[str] = []

    @property
    def settings(self) -> Settings:
        return load_settings(self.config)

    def start(self) -> None:
        starts = self.output().count("Ctrl-C")
        with (self.folder / "up.out").open("ab") as out:
            command = [sys.executable, "-m", "steelflow.cli.main", "--config", str(self.config), "up", "--port", "0"]
            self.process = subprocess.Popen([*command, *self.options], cwd=self.folder, stdout=out, stderr=out)
        self.wait("the service to be up", lambda: self.output().count("Ctrl-C") > starts)

    def end(self, number: int) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def output(self) -> str:
        out = self.folder / "up.out"
        return out.read_text() if out.exists() else ""

    def groups(self) -> dict[str, int]:
        groups: dict[str, int] = json.loads((self.home / "prefect" / "service.json").read_text())["groups"]
        return groups

    def runs(self) -> list[FlowRun]:
        """All runs that are due or were."""
        with self.client() as client:
            return [run for run in client.read_flow_runs() if run.state_name != "Scheduled"]

    def running(self, flow: str) -> list[FlowRun]:
        """The runs of a flow that are under way."""
        own = self.deployments().get(flow)
        return [run for run in self.runs() if own and run.deployment_id == own and run.state_name == "Running"]

    def ask(self, flow: str, key: str) -> FlowRun:
        with self.client() as client:
            return client.create_flow_run_from_deployment(self.deployments()[flow], idempotency_key=key)

    def deployments(self) -> dict[str, UUID]:
        with self.client() as client:
            return {one.name: one.id for one in client.read_deployments()}

    @contextlib.contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        api = f"{running(self.settings)}/api"
        secret = api_secret(self.home / "prefect")
        with (
            temporary_settings({PREFECT_API_URL: api, PREFECT_API_AUTH_STRING: secret, PREFECT_HOME: self.home}),
            get_client(sync_client=True) as client,
        ):
            yield client

    def wait(self, what: str, ready: Callable[[], Any]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            assert self.process is not None
            assert self.process.poll() is None, f"waiting for {what}: {self.logs()}"
            assert time.monotonic() < deadline, f"waiting for {what}: {self.logs()}"
            time.sleep(0.5)

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in (self.folder / "up.out", *self.home.rglob("*.log")))

    def alive(self) -> list[str]:
        """The processes that have this folder's home in their environment."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("STEELFLOW_HOME") == str(self.home) and process.status() != "zombie":
                    found.append(" ".join(process.cmdline()))
        return found
