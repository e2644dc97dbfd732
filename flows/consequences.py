"""The consequences of a night: people are told about drift, and a retraining is requested. Both happen once per night,
even if the night runs again.

The run of ``retrain`` is started directly, which is immediate. The event is for the timeline of the UI and for the
plant's own automations.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, cast

from prefect import get_run_logger, task
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.events import emit_event
from prefect.exceptions import ObjectNotFound

from flows.patience import patient
from flows.retrain import DEPLOYMENT, RetrainRequest
from steelflow.config import Settings
from steelflow.report.record import NightDrift
from steelflow.service.drift_alarm import alert_once_of_drift, drift_reason
from steelflow.service.night_missing import alert_once_of_missing
from steelflow.service.night_notes import alert_once_of_notes

if TYPE_CHECKING:
    from steelflow.retrain import Due

DRIFT_DETECTED = "steelflow.drift.detected"
_SHOWN = 50  # signals in an event, whose size Prefect limits


def follow_up(settings: Settings, night: dt.date, drift: NightDrift | None) -> None:
    """Act on a night that is recorded. ``drift`` is None if it was not measured."""
    log = get_run_logger()
    if drift is not None and drift.verdict in ("warn", "alarm"):
        log.warning("Drift, %s: %s", drift.verdict, "; ".join(drift.reasons))
    if drift is not None and drift.verdict == "alarm":
        raise_alarm(settings, night, drift)
        if settings.retrain.on_drift:
            key = f"drift:{drift.model}:{night}"
            reason = drift_reason(night, drift)
            ask_for_retraining(RetrainRequest(trigger="drift", reason=reason, who="nightly", key=key), key)
            return
        log.warning("No retraining is requested: retrain.on_drift is off")
    if (due := labels_due(settings)) is not None:
        # Asked again each night, since the cooldown may have put the last request off. A request for labels on which a
        # retraining has decided is answered with that decision.
        request = RetrainRequest(trigger="labels", reason=due.reason, who="nightly", key=due.key)
        ask_for_retraining(request, f"{due.key}:{night}")


def tell_notes(settings: Settings, night: dt.date, notes: tuple[str, ...], model: str) -> None:
    """Tell people that the model of the night does not know what it saw."""
    for note in notes:
        get_run_logger().warning("Night of %s: %s", night, note)
    alert_once_of_notes(settings, night, notes, model)


def tell_missing(settings: Settings, night: dt.date, state: str, missing: tuple[str, ...]) -> None:
    """Tell people what the night misses."""
    for one in missing:
        get_run_logger().warning("Night of %s: %s: %s", night, state, one)
    alert_once_of_missing(settings, night, state, missing)


@task(**patient)
def send_report(settings: Settings, night: dt.date) -> None:
    """Send the morning report to the webhook and the mail of the settings."""
    from steelflow.morning.send import send_report_of  # here: it loads what the process that serves us does not need

    for where in send_report_of(settings, night):
        get_run_logger().info("The morning report of %s was sent by %s", night, where)


@task(**patient)
def raise_alarm(settings: Settings, night: dt.date, drift: NightDrift) -> None:
    """Post the alert, and emit an event of Prefect."""
    alert_once_of_drift(settings, night, drift)
    told = drift.to_dict()
    payload = {
        "night": night.isoformat(),
        **{name: told[name] for name in ("model", "reasons", "lines")},
        "signals": [signal for signal in drift.signals if signal.get("breach")][:_SHOWN],
    }
    resource = {"prefect.resource.id": f"steelflow.night.{night}", "prefect.resource.name": f"night of {night}"}
    one = uuid.uuid5(uuid.NAMESPACE_URL, f"{DRIFT_DETECTED}/{night}/{drift.model}")  # however often it is sent
    emit_event(DRIFT_DETECTED, resource, payload=payload, id=one)


@task(**patient)
def labels_due(settings: Settings) -> Due | None:
    """Whether the number of new labels calls for a retraining."""
    from steelflow.retrain import due  # here: it loads what the process that serves us does not need

    return due(settings)


@task(**patient)
def ask_for_retraining(request: RetrainRequest, once: str) -> FlowRun | None:
    """Start the retraining, if it is served: of several calls with the same ``once``, one does."""
    try:
        parameters = {"request": request.model_dump()}
        run = run_deployment(DEPLOYMENT, parameters=parameters, timeout=0, as_subflow=False, idempotency_key=once)
    except ObjectNotFound:
        get_run_logger().warning(
            "A retraining is called for (%s), but no deployment %s is served here; run `steelflow retrain`",
            request.reason,
            DEPLOYMENT,
        )
        return None
    get_run_logger().info("A retraining is requested: %s", cast(FlowRun, run).name)
    return cast(FlowRun, run)
