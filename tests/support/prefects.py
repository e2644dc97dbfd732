"""A server that answers as Prefect's API does, as far as the page Runs asks: a run under way, and one that failed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

_BOTH = {"deployment_id": "d1", "tags": ["by:anna"], "total_run_time": 3.5, "start_time": "2026-11-01T02:00:00Z"}
RUNNING = {**_BOTH, "id": "r1", "name": "night-of-today", "state_type": "RUNNING", "state_name": "Running"}
FAILED = {
    **_BOTH,
    "id": "r2",
    "name": "night-of-before",
    "state_type": "FAILED",
    "state_name": "Failed",
    "parameters": {"night": {"date": "2026-10-31"}},
    "state": {"message": "the storage did not answer"},
}


LISTED: list[dict[str, Any]] = []  # the runs that it knows, newest first


class _Prefect(BaseHTTPRequestHandler):
    asked: ClassVar[list[tuple[str, Any]]] = []

    def do_GET(self) -> None:
        self._answer(FAILED if "/flow_runs/" in self.path else {"id": "d1", "name": "nightly"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path.removeprefix("/api"), body))
        match self.path.removeprefix("/api"):
            case "/deployments/filter":
                self._answer([{"id": "d1", "name": "nightly"}])
            case "/flow_runs/filter":
                waits = body["flow_runs"]["state"]["type"].get("any_") == ["SCHEDULED"]
                self._answer([] if waits else LISTED)
            case "/artifacts/filter":
                self._answer([{"flow_run_id": "r1", "data": 40.0}, {"flow_run_id": "r1", "data": 10.0}])  # newest first
            case "/logs/filter":
                (run,) = body["logs"]["flow_run_id"]["any_"]
                lines = [("2026-11-01T02:00:09Z", 40, f"second line of {run}"), ("2026-11-01T02:00:01Z", 20, "first")]
                self._answer([{"timestamp": at, "level": level, "message": text} for at, level, text in lines])
            case _:
                self._answer({"name": "brave-owl"})

    def _answer(self, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@contextlib.contextmanager
def prefect() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """The address of its API, and what it was asked: path and body of each call that can change something, or list."""
    _Prefect.asked.clear()
    LISTED[:] = [RUNNING, FAILED]
    with ThreadingHTTPServer(("127.0.0.1", 0), _Prefect) as served:
        Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}/api", _Prefect.asked
        served.shutdown()
