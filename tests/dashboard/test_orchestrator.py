"""What the dashboard asks Prefect, and who may ask it."""

from __future__ import annotations

from typing import Any

import pytest
from prefects import prefect

from dashboard.auth.access import Actor, NotAllowed
from dashboard.auth.orchestrator import Orchestrator, OrchestratorDown


def test_runs_with_their_progress() -> None:
    with prefect() as (api, _):
        run, failed = Orchestrator(api).runs()
    assert (run.flow, run.state, run.progress, run.who, run.under_way) == ("nightly", "Running", 40.0, "anna", True)
    assert (failed.state, failed.under_way) == ("Failed", False)


def test_an_operator_starts_a_run_and_is_recorded() -> None:
    with prefect() as (api, asked):
        name = Orchestrator(api).start(Actor("anna", "operator"), "nightly", {"night": {}}, "key")
        path, body = asked[-1]
    assert name == "brave-owl"
    assert path == "/deployments/d1/create_flow_run"
    assert body == {"parameters": {"night": {}}, "tags": ["dashboard", "by:anna"], "idempotency_key": "key"}


@pytest.mark.parametrize("role", ["viewer", "labeller"])
def test_no_one_else_starts_a_run_not_even_by_calling_it(role: Any) -> None:
    with prefect() as (api, asked), pytest.raises(NotAllowed, match="nothing was changed"):
        Orchestrator(api).start(Actor("guest", role), "retrain", {}, "key")
    assert asked == []


def test_prefect_down() -> None:
    with pytest.raises(OrchestratorDown, match="steelflow up"):
        Orchestrator("http://127.0.0.1:9").runs()
