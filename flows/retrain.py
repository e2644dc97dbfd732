"""The retrain flow: one library call from the labels to a promotion, or to the reason against it.

The library sends the alert of a decision. The hooks of the flow send the alert of a run that ended without one.
"""

from __future__ import annotations

from typing import Any, Literal, cast
from uuid import UUID

import prefect.runtime
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import BaseModel, Field

from flows.outcome import hooks, settled
from flows.patience import patient
from steelflow.config import Settings

_STEP = 5.0  # percent

DEPLOYMENT = "retrain/retrain"


class RetrainRequest(BaseModel):
    """A request for a retraining: who asks, and why."""

    trigger: Literal["drift", "labels", "calendar", "manual"] = Field(
        default="manual", description="Only manual retrainings have no cooldown."
    )
    reason: str = Field(default="asked for in Prefect", min_length=1, description="For the promotion log.")
    who: str = Field(default="prefect", min_length=1, description="For the promotion log.")
    key: str | None = Field(
        default=None, description="Name of the request. A request that was decided is not repeated."
    )
    without: list[str] = Field(
        default=[], description="Classes to leave out, though the champion or recent nights show them."
    )


_BY_HAND = RetrainRequest()


@task(**patient)
def train_and_judge(settings: Settings, request: RetrainRequest, key: str) -> dict[str, Any]:
    """Train, compare with the champion, and promote if better."""
    shown = 0.0
    artifact = cast(
        UUID, create_progress_artifact(0.0, "retrain-progress", "Finished share of the training, in percent")
    )

    def show(share: float) -> None:
        nonlocal shown
        if 100 * share - shown >= _STEP:
            shown = 100 * share
            update_progress_artifact(artifact, shown)

    from steelflow.retrain import retrain  # here: it loads torch, which the process that serves us does not need

    result = retrain(
        settings,
        trigger=request.trigger,
        reason=request.reason,
        who=request.who,
        key=key,
        without=request.without,
        tell=get_run_logger().info,
        progress=show,
    )
    return result.to_dict()


@flow(name="retrain", persist_result=False, **hooks)
def retrain(request: RetrainRequest = _BY_HAND) -> State[Any]:
    """Train on the current labels, and promote the model if it is better than the champion.

    Returns:
        A completed state with the decision in one line, and ``RetrainResult`` as a dict; or a failed state that says
        what to do.
    """

    def work(settings: Settings) -> State[Any]:
        # A run that is resumed after a crash has the same key.
        key = request.key or f"run:{prefect.runtime.flow_run.id}"
        result = train_and_judge(settings, request, key)
        return Completed(message=f"{result['state']}: {result['text']}", data=result)

    return settled(work)
