"""The drift-check flow: check a night for drift again, with the same consequences as in the nightly flow."""

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
from steelflow.report.record import NightDrift
from steelflow.store import open_store


class DriftCheckParameters(BaseModel):
    """Which night to check."""

    date: dt.date | None = Field(default=None, description="The night; if empty, the last night with reports.")


_LAST_NIGHT = DriftCheckParameters()


@task(**patient)
def last_night(settings: Settings) -> dt.date | None:
    """The last night with reports."""
    return max(ReportReader(open_store(settings.report.uri, settings.store, create=True)).nights(), default=None)


@task(**patient)
def check(settings: Settings, date: dt.date) -> NightDrift:
    """Compare a night with the reference, and write its drift table again."""
    from steelflow.night.drift import check_drift

    return check_drift(settings, date)


@flow(name="drift-check", persist_result=False, **hooks)
def drift_check(night: DriftCheckParameters = _LAST_NIGHT) -> State[Any]:
    """Check a night for drift again. Send alerts and request a retraining like the nightly flow.

    Returns:
        A completed state with the verdict in one line and as a dict; or a failed state.
    """

    def work(settings: Settings) -> State[Any]:
        date = night.date or last_night(settings)
        if date is None:
            return Failed(message=f"{settings.report.uri}: no reports yet; run `steelflow nightly`")
        drift = check(settings, date)
        follow_up(settings, date, drift)
        reasons = "; ".join(drift.reasons)
        message = f"night of {date}: {drift.verdict}{f': {reasons}' if reasons else ''}"
        return Completed(message=message, data=drift.to_dict())

    return settled(work)
