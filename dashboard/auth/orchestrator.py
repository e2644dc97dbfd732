"""Prefect over HTTP: running flows, their progress, and starting a run. This module does not import Prefect.

The server is the one that ``steelflow up`` runs with these settings; otherwise the one in ``PREFECT_API_URL``.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import http.client
import json
import os
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from dashboard.auth.access import Actor
from steelflow.config import Settings
from steelflow.errors import SteelflowError
from steelflow.service.secret import basic, kept_secret
from steelflow.service.state import running, state_folder

Kind = Literal["nightly", "retrain", "backfill"]
KINDS: tuple[Kind, ...] = ("nightly", "retrain", "backfill")
_OTHERS = ("drift-check", "housekeeping")
_SECONDS = 3.0
_UNDER_WAY = ("RUNNING", "PENDING", "CANCELLING", "PAUSED")
_BY = "by:"
_LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}


class OrchestratorDown(SteelflowError):
    """Prefect's server cannot be reached, or gives an invalid answer."""


@dataclass(frozen=True, slots=True)
class FlowRun:
    """One run of a flow. ``progress`` is in percent, None if the flow reports none; ``told`` says it with rate and time
    left. ``who`` started it, None if
    unknown."""

    id: str
    flow: str
    name: str
    state: str
    message: str
    who: str | None
    expected: str | None
    started: str | None
    seconds: float
    under_way: bool
    progress: float | None
    told: str = ""

    @property
    def can_repeat(self) -> bool:
        """Whether it is a run that people may start."""
        return self.flow in KINDS


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a run's log. ``at`` is an ISO date with time zone."""

    at: str
    level: str
    text: str


class Orchestrator:
    """A Prefect server at ``url``. ``authorization`` is the value of that HTTP header. Every method can raise
    ``OrchestratorDown``."""

    def __init__(self, url: str, authorization: str | None = None) -> None:
        self.url = url.rstrip("/").removesuffix("/api")
        self._authorization = authorization

    def runs(self, most: int = 30) -> list[FlowRun]:
        """The latest runs of our deployments that have started, or were requested in the dashboard; latest first."""
        names = self._deployments()
        if not names:
            return []
        of_ours = {"deployments": {"id": {"any_": list(names)}}}
        started = {"state": {"type": {"not_any_": ["SCHEDULED"]}}}
        late = {"state": {"type": {"any_": ["SCHEDULED"]}}, "tags": {"all_": ["dashboard"]}}
        found = []
        for wanted in (late, started):
            body = {**of_ours, "flow_runs": wanted, "sort": "EXPECTED_START_TIME_DESC", "limit": most}
            found += self._ask("POST", "/api/flow_runs/filter", body)
        progress = self._progress([run["id"] for run in found if run.get("state_type") in _UNDER_WAY])
        return [_flow_run(run, names, progress) for run in found][:most]

    def upcoming(self) -> list[FlowRun]:
        """The next runs of the schedules, soonest first."""
        names = self._deployments()
        wanted = {"state": {"type": {"any_": ["SCHEDULED"]}}}
        body = {
            "deployments": {"id": {"any_": list(names)}},
            "flow_runs": wanted,
            "sort": "EXPECTED_START_TIME_ASC",
            "limit": 3,
        }
        return [_flow_run(run, names, {}) for run in self._ask("POST", "/api/flow_runs/filter", body)]

    def start(self, actor: Actor, kind: Kind, parameters: dict[str, Any], key: str) -> str:
        """Start a run and return its name. Several calls with the same ``key`` start one run.

        Raises:
            NotAllowed: the actor is not an operator.
        """
        actor.must_be("operator")
        deployment = self._ask("GET", f"/api/deployments/name/{kind}/{kind}")
        body = {"parameters": parameters, "tags": ["dashboard", f"{_BY}{actor.name}"], "idempotency_key": key}
        return str(self._ask("POST", f"/api/deployments/{deployment['id']}/create_flow_run", body)["name"])

    def cancel(self, actor: Actor, run_id: str) -> None:
        """Stop a run. Its message names the actor.

        Raises:
            NotAllowed: the actor is not an operator.
        """
        actor.must_be("operator")
        state = {"type": "CANCELLING", "name": "Cancelling", "message": f"cancelled by {actor.name}"}
        self._ask("POST", f"/api/flow_runs/{run_id}/set_state", {"state": state})

    def repeat(self, actor: Actor, run_id: str, kind: str) -> str:
        """Start a run with the parameters of another one, and return its name. Several calls within a minute start one
        run.

        Raises:
            NotAllowed: the actor is not an operator.
        """
        actor.must_be("operator")
        parameters = self._ask("GET", f"/api/flow_runs/{run_id}").get("parameters") or {}
        if "who" in (request := parameters.get("request") or {}):
            parameters = {**parameters, "request": {**request, "who": actor.name}}
        known = next(one for one in KINDS if one == kind)
        return self.start(actor, known, parameters, f"{run_id}:{dt.datetime.now(dt.UTC):%Y%m%d%H%M}")

    def log(self, run_id: str, most: int) -> list[LogLine]:
        """The last ``most`` lines of a run's log, oldest first."""
        body = {"logs": {"flow_run_id": {"any_": [run_id]}}, "sort": "TIMESTAMP_DESC", "limit": most}
        found = self._ask("POST", "/api/logs/filter", body)
        lines = [LogLine(one["timestamp"], _LEVELS.get(one["level"], "info"), one["message"]) for one in found]
        return lines[::-1]

    def _deployments(self) -> dict[str, str]:
        wanted = {"deployments": {"name": {"any_": [*KINDS, *_OTHERS]}}, "limit": 50}
        return {one["id"]: one["name"] for one in self._ask("POST", "/api/deployments/filter", wanted)}

    def _progress(self, ids: list[str]) -> dict[str, tuple[float, str]]:
        if not ids:
            return {}
        wanted = {"flow_run_id": {"any_": ids}, "type": {"any_": ["progress"]}}
        found = self._ask("POST", "/api/artifacts/filter", {"artifacts": wanted, "limit": 100, "sort": "CREATED_DESC"})
        told: dict[str, tuple[float, str]] = {}
        for artifact in found:
            with contextlib.suppress(TypeError, ValueError):
                text = str(artifact.get("description") or "")
                known = text if text[:1].isdigit() else ""  # until the first update it says what the artifact is
                told.setdefault(artifact["flow_run_id"], (float(artifact["data"]), known))
        return told

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        where = urlsplit(self.url)
        secure = where.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(str(where.hostname), where.port, timeout=_SECONDS)
        headers = {"Content-Type": "application/json"}
        if self._authorization is not None:
            headers["Authorization"] = self._authorization
        with contextlib.closing(connection):
            try:
                connection.request(method, where.path + path, None if body is None else json.dumps(body), headers)
                answer = connection.getresponse()
                data = answer.read()
            except (OSError, http.client.HTTPException) as exc:
                raise OrchestratorDown(
                    f"Prefect does not answer at {self.url} ({type(exc).__name__}); start it with `steelflow up`"
                ) from exc
            if answer.status == http.client.UNAUTHORIZED:
                raise OrchestratorDown(
                    f"Prefect at {self.url} asks for a secret that this dashboard does not have; run it with the "
                    "`home` of `steelflow up`, or set PREFECT_API_AUTH_STRING or PREFECT_API_KEY"
                )
            if answer.status == http.client.NOT_FOUND:
                raise OrchestratorDown(
                    f"Prefect at {self.url} has no {path.removeprefix('/api/')}; start the flows with `steelflow up`"
                )
            if answer.status >= http.client.BAD_REQUEST:
                raise OrchestratorDown(
                    f"Prefect at {self.url} refused the call {path} with status {answer.status}; see its log"
                )
            try:
                return json.loads(data)
            except ValueError as exc:
                raise OrchestratorDown(f"the server at {self.url} is not Prefect; check PREFECT_API_URL") from exc


def orchestrator(settings: Settings) -> Orchestrator | None:
    """The known server, or None. No request is sent yet."""
    if (own := running(settings)) is not None:  # its secret is sent to no other server
        secret = kept_secret(state_folder(settings))
        return Orchestrator(own, secret and basic(secret))
    url = os.environ.get("PREFECT_API_URL")
    return Orchestrator(url, _given()) if url else None


def _given() -> str | None:
    """The authorization that the environment gives for a server of the plant."""
    if key := os.environ.get("PREFECT_API_KEY"):
        return f"Bearer {key}"
    secret = os.environ.get("PREFECT_API_AUTH_STRING")
    return basic(secret) if secret else None


def _flow_run(run: dict[str, Any], names: dict[str, str], progress: dict[str, tuple[float, str]]) -> FlowRun:
    share, told = progress.get(run["id"], (None, ""))
    who = next((tag.removeprefix(_BY) for tag in run.get("tags", ()) if tag.startswith(_BY)), None)
    return FlowRun(
        id=run["id"],
        flow=names.get(run.get("deployment_id", ""), "?"),
        name=run["name"],
        state=run.get("state_name") or "?",
        message=(run.get("state") or {}).get("message") or "",
        who=who,
        expected=run.get("expected_start_time"),
        started=run.get("start_time"),
        seconds=float(run.get("total_run_time") or 0.0),
        under_way=run.get("state_type") in _UNDER_WAY,
        progress=share,
        told=told,
    )
