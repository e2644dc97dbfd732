"""The backfill flow: inspect past nights again with the champion, one task per night. It starts no retraining."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast
from uuid import UUID

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from pydantic import BaseModel, Field

from flows.outcome import hooks, settled
from flows.patience import patient
from steelflow.config import Settings
from steelflow.night.backfill import Again, Backfilled, inspect_again, nights, pinned

_LOCK_WAIT = 12 * 3600.0


class BackfillParameters(BaseModel):
    """Which nights to inspect again."""

    first: dt.date = Field(description="The first night.")
    last: dt.date = Field(description="The last night.")
    lines: tuple[str, ...] = Field(default=(), description="Only these lines; if empty, those of the settings, or all.")


@task(**patient)
def fix_model(settings: Settings) -> Settings:
    """Fix the current champion as the model of the whole backfill."""
    return pinned(settings)


@task(**patient)
def find_nights(settings: Settings, parameters: BackfillParameters) -> list[dt.date]:
    """The nights of the range that have images or reports."""
    return nights(settings, parameters.first, parameters.last, parameters.lines)


@task(task_run_name="night of {date}", **patient)
def inspect_night_again(settings: Settings, date: dt.date, lines: tuple[str, ...], name: str) -> Again:
    """Inspect a night with the champion. If the images of a line have left the archive, its report stays."""
    return inspect_again(settings, date, lines, _LOCK_WAIT, name=name)


@flow(name="backfill", persist_result=False, **hooks)
def backfill(parameters: BackfillParameters) -> State[Any]:
    """Inspect a range of nights again with the current champion.

    Reports that are up to date stay: a stopped run can be started again and continues.

    Returns:
        A completed state with a one-line summary, and ``Backfilled`` as a dict; or a failed state.
    """
    return settled(lambda settings: _backfill(fix_model(settings), parameters))


def _backfill(settings: Settings, parameters: BackfillParameters) -> State[Any]:
    log = get_run_logger()
    dates = find_nights(settings, parameters)
    name = f"{flow_run.name} {str(flow_run.id)[:8]}"  # as Prefect shows it; its names alone repeat
    artifact = cast(UUID, create_progress_artifact(0.0, "backfill-progress", "Finished nights, in percent"))
    found = []
    for number, date in enumerate(dates, 1):
        found.append(inspect_night_again(settings, date, parameters.lines, name))
        log.info(found[-1].text)
        if (result := found[-1].result) is not None and result.state == "limited":  # no node of the cluster is left
            return Failed(message=f"stopped at {date}: {'; '.join(result.missing)}")
        update_progress_artifact(artifact, 100 * number / len(dates))
    whole = Backfilled(settings.model.ref, tuple(found))
    if failed := whole.failed_units:
        return Failed(message=f"{whole.text}; {len(failed)} work units failed, run it again; first: {failed[0]}")
    return Completed(message=whole.text, data=whole.to_dict())
