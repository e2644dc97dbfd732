"""``python -m flows.watch``: finds the runs on work pools whose process is dead, and has them run again.

It runs beside a Prefect server of the plant's own, on one machine or several. A worker reports a run whose process
ended; nobody reports one whose worker, or machine, ended with it. Such a run gives no more signs of life in the store
(``service.pulse``), whatever its state says. ``steelflow up`` does not need this: one process owns all of its runs.

Silence is counted only while this process itself sees the store and the server. So an outage of either ends no run.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import NamedTuple
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import PrefectException
from prefect.logging import get_logger
from prefect.settings import get_current_settings

from flows.dead import active, end, resume
from flows.serve import deployments
from steelflow.config import Settings, load_settings
from steelflow.errors import ConfigError, SteelflowError
from steelflow.service.alerts import alert
from steelflow.service.once import tell_once
from steelflow.service.pulse import forget, pulses
from steelflow.store import Store, open_store
from steelflow.store.embedded import serving

_GONE = "no sign of life: the process of this run, or its machine, has ended"
_AGAIN = "resumed after its process had ended"


class _Seen(NamedTuple):
    mark: tuple[UUID | None, str | None]  # state, and sign of life
    silent: float  # seconds since it changed


class Watch:
    """Looks at the runs again and again. ``report`` is the store with their signs of life."""

    def __init__(self, settings: Settings, report: Store) -> None:
        self._settings, self._report = settings, report
        self._code = {str(one.entrypoint): str(one.name) for one in deployments(settings)}
        self._seen: dict[UUID, _Seen] = {}
        self._looked: float | None = None

    def look(self, client: SyncPrefectClient) -> list[FlowRun]:
        """End dead runs, and resume crashed ones; returns those. The errors of store and client are raised."""
        limits = self._settings.runs
        ours = {one.id: self._code[str(one.entrypoint)] for one in client.read_deployments() if self._is_ours(one)}
        for run in self._silent(client, ours):
            if end(client, run, _GONE):
                forget(self._report, str(run.id))
                if run.state_type != StateType.CANCELLING and run.run_count >= limits.attempts:
                    self._tell_lost(ours, run)
        again = resume(client, ours, limits.attempts, _AGAIN)
        for run in again:
            forget(self._report, str(run.id))
            self._tell_resumed(run)
        return again

    def _is_ours(self, deployment: object) -> bool:
        return str(getattr(deployment, "entrypoint", None)) in self._code

    def _silent(self, client: SyncPrefectClient, ours: dict[UUID, str]) -> list[FlowRun]:
        """The runs that should be under way, and have been silent for too long."""
        limits, now = self._settings.runs, time.monotonic()
        signs, runs = pulses(self._report), active(client, ours)
        passed = 0.0 if self._looked is None else min(now - self._looked, 2 * limits.pulse)
        self._looked = now
        seen, dead = {}, []
        for run in runs:
            sign = signs.get(str(run.id))
            mark = (run.state.id if run.state else None, sign)
            before = self._seen.get(run.id)
            silent = before.silent + passed if before is not None and before.mark == mark else 0.0
            seen[run.id] = _Seen(mark, silent)
            if silent > (limits.start if sign is None else limits.silent):
                dead.append(run)
        self._seen = seen
        return dead

    def _tell_lost(self, ours: dict[UUID, str], run: FlowRun) -> None:
        name = ours[run.deployment_id] if run.deployment_id else "flow"
        text = f"{name} ({run.name}) crashed: {_GONE}; it was tried {run.run_count} times"
        details = {"flow": name, "run": run.name, "run_id": run.id, "parameters": run.parameters}
        self._once(f"{name}.crashed", run, text, details)

    def _tell_resumed(self, run: FlowRun) -> None:
        text = f"A run whose process had ended is resumed: {run.name}"
        self._once("run.resumed", run, text, {"runs": [run.name], "run_id": run.id})

    def _once(self, event: str, run: FlowRun, text: str, details: dict[str, object]) -> None:
        """Several processes may watch."""
        if self._settings.alerts.webhook is not None and run.expected_start_time is not None:
            day, cause = run.expected_start_time.date(), f"{run.id} {run.run_count}"
            tell_once(self._settings, day, event, [cause], lambda _: alert(self._settings, event, text, details))


def watch(settings: Settings, stop: threading.Event, alive: Path | None = None) -> None:
    """Look every ``runs.pulse`` seconds until ``stop`` is set. A server or store that does not answer is asked again.

    Args:
        alive: a file that is touched after each look, for a program that watches this process.
    """
    log = get_logger("steelflow")
    trouble: str | None = None
    watching = Watch(settings, open_store(settings.report.uri, settings.store, create=True))
    log.info("Watching the runs: silent for %g s is dead", settings.runs.silent)
    while not stop.is_set():
        try:
            with get_client(sync_client=True) as client:
                watching.look(client)
            trouble = None
        except (SteelflowError, PrefectException, httpx.HTTPError) as exc:
            if type(exc).__name__ != trouble:  # said once, not every few seconds
                trouble = type(exc).__name__
                log.warning("The runs cannot be watched for now: %s", exc)
        if alive is not None:
            alive.touch()
        stop.wait(settings.runs.pulse)


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m flows.watch", description=__doc__)
    options.add_argument("--alive", type=Path, help="a file that is touched after each look")
    alive = options.parse_args().alive
    stop = threading.Event()

    def ended(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ended)
    try:
        if get_current_settings().api.url is None:
            raise ConfigError("PREFECT_API_URL is not set: it is the address of the plant's Prefect server")
        with serving(load_settings()) as reached:
            watch(reached, stop, alive)
    except SteelflowError as exc:
        sys.exit(f"steelflow: {exc}")


if __name__ == "__main__":
    main()
