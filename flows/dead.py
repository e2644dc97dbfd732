"""Runs whose process is dead: their state is set, which frees their slot, and they are scheduled again.

A run keeps its scheduled time, and therefore its night. A run that was tried ``runs.attempts`` times, or is older than
a week, stays crashed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, cast
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.logging import get_logger
from prefect.states import AwaitingRetry, Cancelled, Crashed
from prefect.types import DateTime

_RECENT = dt.timedelta(days=7)

ACTIVE = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)


def active(client: SyncPrefectClient, deployments: Iterable[UUID]) -> list[FlowRun]:
    """The runs that a process should be working on."""
    return _runs(client, deployments, *ACTIVE)


def end(client: SyncPrefectClient, run: FlowRun, why: str) -> bool:
    """Set the state of a run whose process is dead. Returns False if its state has changed since it was read."""
    found = client.read_flow_run(run.id).state
    if found is None or run.state is None or found.id != run.state.id:
        return False
    ended: State[Any] = Cancelled(message=why) if found.type == StateType.CANCELLING else Crashed(message=why)
    client.set_flow_run_state(run.id, ended, force=True)
    return True


def resume(client: SyncPrefectClient, deployments: Iterable[UUID], attempts: int, why: str) -> list[FlowRun]:
    """Schedule the crashed runs again that may be tried again; returns them."""
    again = []
    for run in _runs(client, deployments, StateType.CRASHED, since=dt.datetime.now(dt.UTC) - _RECENT):
        if run.run_count < attempts:
            client.set_flow_run_state(run.id, AwaitingRetry(message=why))
            get_logger("steelflow").warning("Flow run '%s' crashed and is resumed", run.name)
            again.append(run)
    return again


def _runs(
    client: SyncPrefectClient, deployments: Iterable[UUID], *states: StateType, since: dt.datetime | None = None
) -> list[FlowRun]:
    if not (ids := list(deployments)):
        return []
    return client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=ids)),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))),
            expected_start_time=FlowRunFilterExpectedStartTime(after_=cast(DateTime, since)) if since else None,
        ),
    )
