"""``python -m flows.serve``: the process that runs our deployments. ``steelflow up`` starts it together with a server.

Exactly one such process serves a Prefect server. If a run is active when it starts, the process of that run is dead.

Only our own flows run here, from this installation: what the server says about the code of a deployment (its entry
point and pull steps) is not used, and other deployments are not run.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName, FlowFilter, FlowFilterName
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import TerminationSignal
from prefect.logging import get_logger
from prefect.runner import Runner
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from flows.backfill import backfill
from flows.by_name import send_by_name
from flows.dead import active, end, resume
from flows.drift_check import drift_check
from flows.housekeeping import housekeeping
from flows.nightly import nightly
from flows.retrain import RetrainRequest, retrain
from steelflow.config import Settings, load_settings
from steelflow.service.alerts import alert
from steelflow.telemetry.logs import configure

BY_CALENDAR = RetrainRequest(trigger="calendar", reason="the calendar", who="schedule")
TIDY_UP = "0 5 * * *"  # in the plant's time zone, after the night

_one_at_a_time = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)


def ours(settings: Settings) -> tuple[tuple[Flow[..., Any], dict[str, Any]], ...]:
    """Our flows, each with the options of its deployment. The schedules come from our settings; a restart applies
    changed ones."""

    def of(
        flow: Flow[..., Any], description: str, cron: str | None = None, **scheduled: Any
    ) -> tuple[Flow[..., Any], dict[str, Any]]:
        return flow, {
            "name": flow.name,
            "description": description,
            "schedule": Cron(cron, timezone=settings.night.timezone, parameters=scheduled) if cron else None,
            "concurrency_limit": _one_at_a_time,
            "entrypoint_type": EntrypointType.MODULE_PATH,
        }

    return (
        of(nightly, "Inspect the new and changed images of a night.", settings.night.cron),
        of(drift_check, "Check a night for drift again, with the same consequences as in the nightly flow."),
        of(
            retrain,
            "Train on the current labels, and promote the model if it is better than the champion.",
            settings.retrain.cron,
            request=BY_CALENDAR.model_dump(),
        ),
        of(backfill, "Inspect a range of nights again with the current champion."),
        of(housekeeping, "Delete data older than the retention of the settings.", TIDY_UP),
    )


def deployments(settings: Settings) -> tuple[RunnerDeployment, ...]:
    """The deployments of our flows."""
    made = (flow.to_deployment(**options) for flow, options in ours(settings))
    return tuple(cast(RunnerDeployment, one) for one in made)  # Prefect's type leaves room for a coroutine


def take_up(client: SyncPrefectClient, served: tuple[RunnerDeployment, ...], settings: Settings) -> None:
    """End the runs whose process is dead, and schedule crashed runs again, see ``flows.dead``. No process of a run
    outlives this one."""
    ours = client.read_deployments(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[str(one.flow_name) for one in served])),
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[one.name for one in served])),
    )
    ids = [one.id for one in ours]
    for run in active(client, ids):
        end(client, run, "the process of this run ended with the service")
    again = [run.name for run in resume(client, ids, settings.runs.attempts, "resumed when the service started")]
    if again:
        text = f"The service started again and resumes crashed runs: {', '.join(again)}"
        alert(settings, "service.resumed", text, {"runs": again})


def main() -> None:
    settings = load_settings()
    configure(settings)
    served = ours(settings)
    with get_client(sync_client=True) as client:
        take_up(client, deployments(settings), settings)
    # Every deployment has its own slot, so a backfill of weeks does not delay a night.
    send_by_name()
    runner = Runner(pause_on_shutdown=False, limit=len(served))
    for flow, options in served:
        # With the flow itself: by a deployment alone, each run would load what the server names, after its pull steps.
        runner.add_flow(flow, **options)
    try:
        asyncio.run(runner.start())
    except (KeyboardInterrupt, TerminationSignal) as exc:
        get_logger("steelflow").info("The service stops (%s)", type(exc).__name__)


if __name__ == "__main__":
    main()
