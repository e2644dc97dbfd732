"""The housekeeping flow: delete old data, by the retention of the settings."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from prefect import flow, task
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import BaseModel, Field

from flows.outcome import hooks, settled
from flows.patience import patient
from steelflow.config import Settings
from steelflow.night.housekeeping import Tidied, tidy


class HousekeepingParameters(BaseModel):
    """Prefect's UI shows a form for these parameters."""

    dry_run: bool = Field(default=False, description="Only show what would be deleted.")


_FOR_GOOD = HousekeepingParameters()


@task(**patient)
def delete_what_is_old(settings: Settings, today: dt.date, dry_run: bool) -> Tidied:
    """Delete old nights, drift tables and model versions."""
    return tidy(settings, today, dry_run)


@flow(name="housekeeping", persist_result=False, **hooks)
def housekeeping(parameters: HousekeepingParameters = _FOR_GOOD) -> State[Any]:
    """Delete data older than the retention of the settings. The champion and the target of a rollback stay.

    Returns:
        A completed state with a one-line summary, and ``Tidied`` as a dict; or a failed state.
    """

    def work(settings: Settings) -> State[Any]:
        today = dt.datetime.now(ZoneInfo(settings.night.timezone)).date()
        tidied = delete_what_is_old(settings, today, parameters.dry_run)
        return Completed(message=tidied.text, data=tidied.to_dict())

    return settled(work)
