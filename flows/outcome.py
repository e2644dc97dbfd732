"""How our flows end: an error of ours becomes a failed run with a one-line message, and an alert is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging import get_logger
from prefect.runtime import flow_run
from prefect.states import Failed

from steelflow.config import Settings, load_settings
from steelflow.errors import SteelflowError
from steelflow.inspection.runtime import prepare
from steelflow.service.alerts import alert
from steelflow.service.pulse import pulse
from steelflow.store.embedded import serving
from steelflow.telemetry.logs import configure

_R = TypeVar("_R")


def settled(work: Callable[[Settings], _R]) -> _R | State[Any]:
    """What ``work`` returns, called with settings whose storage can be reached; or a failed state with our error."""
    prepare()
    try:
        settings = load_settings()
        configure(settings)
        with serving(settings) as reached, pulse(reached, str(flow_run.id)):
            return work(reached)
    except SteelflowError as exc:
        return Failed(message=str(exc))


def tell(flow: Flow[..., Any], run: FlowRun, state: State[Any]) -> None:
    """Send an alert about a run that failed, crashed or was cancelled, also when its own process is gone."""
    try:
        settings = load_settings()
    except SteelflowError as exc:
        get_logger("steelflow").warning("No alert is sent that %s ended as %s: %s", run.name, state.name, exc)
        return
    ended = str(state.name).lower()
    text = f"{flow.name} ({run.name}) {ended}: {state.message or 'no reason is known'}"
    details = {"flow": flow.name, "run": run.name, "run_id": run.id, "parameters": run.parameters}
    alert(settings, f"{flow.name}.{ended}", text, details)


hooks: dict[str, Any] = {"on_failure": [tell], "on_crashed": [tell], "on_cancellation": [tell]}
"""Options of a flow."""
