"""The drift-check flow: the drift of a night looked at again, with the consequences that it has in the nightly one."""

from __future__ import annotations

import datetime as dt
from typing import Any

from prefect import flow, task
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import BaseModel, Field

from flows.consequences import follow_up
from flows.outcome import hooks, settled
from flows.patience import patient
from steelflow.config import Settings
from steelflow.report.reader import ReportReader
from steelflow.store import open_store


class DriftCheckParameters(BaseModel):
    """Which night to look at."""

    date: dt.date | None = Field(default=None, description="The night; when empty, the last one that has reports.")


_LAST_NIGHT = DriftCheckParameters()


@task(**patient)
def last_night(settings: Settings) -> dt.date | None:
    """The last night that has reports."""
    return max(ReportReader(open_store(settings.report.uri, settings.store, create=True)).nights(), default=None)


@task(**patient)
def check(settings: Settings, date: dt.date) -> dict[str, Any]:
    """Compare a night with the reference, and write its drift table again."""
    from steelflow.night.drift import check_drift

    return check_drift(settings, date).to_dict()


@flow(name="drift-check", persist_result=False, **hooks)
def drift_check(night: DriftCheckParameters = _LAST_NIGHT) -> State[Any]:
    """Look at the drift of a night again, alert and ask for a retraining as the nightly flow would.

    Returns:
        A completed state that says the verdict in one line, with the verdict as a dict; or a failed one.
    """

    def work(settings: Settings) -> State[Any]:
        date = night.date or last_night(settings)
        if date is None:
            return Failed(message=f"{settings.report.uri}: no reports yet; run `steelflow nightly`")
        drift = check(settings, date)
        follow_up(settings, date, drift)
        reasons = "; ".join(drift["reasons"])
        return Completed(message=f"night of {date}: {drift['verdict']}{f': {reasons}' if reasons else ''}", data=drift)

    return settled(work)
