"""``/metrics`` and ``/healthz`` over HTTP. The figures are read in the background: an answer never waits for storage.

``python -m steelflow.metrics HOST:PORT`` is the process that ``steelflow up --metrics`` starts.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from steelflow.config import Settings
from steelflow.errors import ConfigError, SteelflowError
from steelflow.metrics.figures import Figures, Sample, unreachable
from steelflow.metrics.health import Health, health
from steelflow.metrics.text import CONTENT_TYPE, written
from steelflow.service.ports import Address

EVERY = 15.0  # seconds between two looks at the storage
_FIRST = 30.0  # seconds that the first answer waits for the first look


class Watch:
    """Reads the figures again and again, in a thread."""

    def __init__(self, settings: Settings, every: float = EVERY) -> None:
        self._settings, self._every = settings, every
        self._samples: list[Sample] = unreachable()
        self._problem: str | None = "the storage was not read yet"
        self._read_at = time.monotonic()
        self._stop, self._read = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="metrics", daemon=True)

    def samples(self) -> list[Sample]:
        """The figures as they were read last. If the storage does not answer now, ``storage_up`` is 0 and the figures
        are those of before."""
        self._read.wait(_FIRST)
        return self._samples

    def health(self) -> Health:
        self._read.wait(_FIRST)
        return health(self._settings, self._samples, self._read_at, self._problem)

    def _work(self) -> None:
        figures: Figures | None = None
        while not self._stop.is_set():
            try:
                figures = figures or Figures(self._settings)
                self._samples, self._problem, self._read_at = figures.read(), None, time.monotonic()
            except SteelflowError as exc:
                self._problem = str(exc)
                down = unreachable()
                gone = {one.name for one in down}
                self._samples = [*(one for one in self._samples if one.name not in gone), *down]
            self._read.set()
            self._stop.wait(self._every)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()


class MetricsServer(ThreadingHTTPServer):
    """Answers with what ``watch`` has read.

    Raises:
        ConfigError: the address cannot be used.
    """

    daemon_threads = True

    def __init__(self, at: Address, watch: Watch) -> None:
        self.watch = watch
        try:
            super().__init__((at.host, at.port), _Handler)
        except OSError as exc:
            raise ConfigError(f"{at}: {exc.strerror}; name another address with --metrics HOST:PORT") from exc


class _Handler(BaseHTTPRequestHandler):
    server: MetricsServer
    server_version, sys_version = "steelflow", ""
    timeout = 30  # seconds for a client to send its request

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, CONTENT_TYPE, written(self.server.watch.samples()))
        elif path == "/healthz":
            found = self.server.watch.health()
            self._answer(200 if found.ok else 503, "application/json", json.dumps(found.to_dict()).encode())
        else:
            self._answer(404, "text/plain", b"/metrics and /healthz are here\n")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Requests are not logged."""


def serve(settings: Settings, at: Address) -> None:
    """Serve until the process ends."""
    with Watch(settings) as watch, MetricsServer(at, watch) as server:
        server.serve_forever()
