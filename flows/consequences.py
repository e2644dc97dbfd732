"""What follows from a night: whom drift concerns is told, and a retraining is asked for, once however often the night
is run.

The run of ``retrain`` is started directly, which is immediate; the event is there for the timeline of the UI and for
automations that a plant sets up itself.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any, cast

from prefect import get_run_logger, task
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.events import emit_event
from prefect.exceptions import ObjectNotFound

from flows.patience import patient
from flows.retrain import DEPLOYMENT, RetrainRequest
from steelflow.config import Settings
from steelflow.service.alerts import alert

DRIFT_DETECTED = "steelflow.drift.detected"
_SHOWN = 50  # signals in an event, whose size Prefect limits


def follow_up(settings: Settings, night: dt.date, drift: Mapping[str, Any] | None) -> None:
    """Act on a night that is recorded.

    Args:
        drift: its ``verdict``, ``reasons``, ``model`` and, where there are any, ``lines`` and ``signals``; None where
            drift was not looked at.
    """
    log = get_run_logger()
    if drift is not None and drift["verdict"] in ("warn", "alarm"):
        log.warning("Drift, %s: %s", drift["verdict"], "; ".join(drift["reasons"]))
    if drift is not None and drift["verdict"] == "alarm":
        raise_alarm(settings, night, drift)
        if settings.retrain.on_drift:
            key = f"drift:{drift['model']}:{night}"
            reason = f"drift in the night of {night}: {'; '.join(drift['reasons'])}"
            ask_for_retraining(RetrainRequest(trigger="drift", reason=reason, who="nightly", key=key), key)
            return
        log.warning("No retraining is asked for: retrain.on_drift is off")
    if (due := labels_due(settings)) is not None:
        reason, key = due
        # Asked again each night: what the cooldown put off must not be forgotten. What was decided on these labels is
        # answered with that decision.
        ask_for_retraining(RetrainRequest(trigger="labels", reason=reason, who="nightly", key=key), f"{key}:{night}")


@task(**patient)
def raise_alarm(settings: Settings, night: dt.date, drift: Mapping[str, Any]) -> None:
    """Tell the webhook, and whoever listens to Prefect's events."""
    text = f"Drift in the night of {night}: {'; '.join(drift['reasons'])}"
    alert(settings, "drift.alarm", text, {"night": night, **drift})
    signals = [signal for signal in drift.get("signals", ()) if signal.get("breach")]
    payload = {
        "night": night.isoformat(),
        "model": drift["model"],
        "reasons": list(drift["reasons"]),
        "lines": list(drift.get("lines", ())),
        "signals": signals[:_SHOWN],
    }
    resource = {"prefect.resource.id": f"steelflow.night.{night}", "prefect.resource.name": f"night of {night}"}
    one = uuid.uuid5(uuid.NAMESPACE_URL, f"{DRIFT_DETECTED}/{night}/{drift['model']}")  # however often it is sent
    emit_event(DRIFT_DETECTED, resource, payload=payload, id=one)


@task(**patient)
def labels_due(settings: Settings) -> tuple[str, str] | None:
    """Why the number of new labels calls for a retraining, and a key that names these labels."""
    from steelflow.labels import LabelStore
    from steelflow.retrain import due
    from steelflow.store import open_store

    if (reason := due(settings)) is None:
        return None
    labels = LabelStore(open_store(settings.labels_uri, settings.store, create=True))
    return reason, f"labels:{labels.snapshot().hash}"


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
    get_run_logger().info("A retraining is asked for: %s", cast(FlowRun, run).name)
    return cast(FlowRun, run)
