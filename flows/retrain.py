"""The retrain flow: from the labels to a promotion, or the reason against one, as one library call.

Alerts of what was decided come from the library; those of a run that could not decide come from the flow's hooks.
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
    """Who asks for a retraining, and why."""

    trigger: Literal["drift", "labels", "calendar", "manual"] = Field(
        default="manual", description="Only a manual one knows no cooldown."
    )
    reason: str = Field(default="asked for in Prefect", min_length=1, description="For the promotion log.")
    who: str = Field(default="prefect", min_length=1, description="For the promotion log.")
    key: str | None = Field(default=None, description="Names the request: what was decided already is not done again.")


_BY_HAND = RetrainRequest()


@task(**patient)
def train_and_judge(settings: Settings, request: RetrainRequest, key: str) -> dict[str, Any]:
    """Train, judge, and promote or not."""
    shown = 0.0
    artifact = cast(UUID, create_progress_artifact(0.0, "retrain-progress", "Share of the training that is done"))

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
        tell=get_run_logger().info,
        progress=show,
    )
    return result.to_dict()


@flow(name="retrain", persist_result=False, **hooks)
def retrain(request: RetrainRequest = _BY_HAND) -> State[Any]:
    """Train on the labels as they stand, and promote the model if it proves better than the champion.

    Returns:
        A completed state that says in one line what was decided, with the ``RetrainResult`` as a dict; or a failed one
        that says what is to be done about it.
    """

    def work(settings: Settings) -> State[Any]:
        # A run that is taken up again after a crash asks for the same.
        key = request.key or f"run:{prefect.runtime.flow_run.id}"
        result = train_and_judge(settings, request, key)
        return Completed(message=f"{result['state']}: {result['text']}", data=result)

    return settled(work)
