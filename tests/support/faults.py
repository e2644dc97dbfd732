"""A bad network and an unreliable server: a real HTTP proxy that disturbs a share of the requests.

    with FaultyProxy(settings.endpoint, seed=1, errors=0.05, cuts=0.02) as proxy:
        store = open_store(uri, settings.model_copy(update={"endpoint": proxy.endpoint}))

The Host header goes through unchanged, so that signatures made for the proxy's address stay valid.
"""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

_XML = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{}</Code><Message>an injected fault</Message></Error>'


class FaultyProxy:
    """Stands before the S3 server at ``endpoint``.

    Args:
        errors: share of the requests answered 503 SlowDown or 500 InternalError without asking the server.
        cuts: share of the answers that break off in the middle of the body.
        resets: share of the connections reset before the answer, half of them after the server has done its work.
        delay: a tenth of the requests wait up to ten times this many seconds, so that it is about the mean of those.
    """

    def __init__(
        self, endpoint: str, seed: int, errors: float = 0.0, cuts: float = 0.0, resets: float = 0.0, delay: float = 0.0
    ) -> None:
        self.upstream = urlsplit(endpoint).netloc
        self.errors, self.cuts, self.resets, self.delay = errors, cuts, resets, delay
        self.done: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="faulty-proxy")

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    def fate(self) -> tuple[str, float]:
        """What happens to the next request, and after how many seconds."""
        with self._lock:
            self.done["requests"] += 1
            draw, kind, slow, wait = (self._random.random() for _ in range(4))
            fate = "pass"
            for name, share in (("errors", self.errors), ("cuts", self.cuts), ("resets", self.resets)):
                if draw < share:
                    fate = name
                    break
                draw -= share
            if fate in ("errors", "resets"):
                fate += "-early" if kind < 0.5 else "-late"
            if fate != "pass":
                self.done[fate.partition("-")[0]] += 1
            return fate, wait * 10 * self.delay if slow < 0.1 else 0.0


class _Server(ThreadingHTTPServer):
    proxy: FaultyProxy
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Wake the threads that wait for the next request of a connection that is kept alive."""
        with self._open_lock:
            for request in self._open:
                request.shutdown(socket.SHUT_RD)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that disconnects."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._upstream = http.client.HTTPConnection(self.server.proxy.upstream, timeout=60)

    def finish(self) -> None:
        self._upstream.close()
        super().finish()

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:  # the client went away
            self.close_connection = True

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fate, wait = self.server.proxy.fate()
        time.sleep(wait)
        if fate == "errors-early":
            self._answer(503, [("Content-Type", "application/xml")], _XML.format("SlowDown").encode())
        elif fate == "errors-late":
            self._answer(500, [("Content-Type", "text/xml")], _XML.format("InternalError").encode())
        elif fate == "resets-early":
            self._reset()
        else:
            status, headers, answer = self._ask(body)
            if fate == "resets-late":
                self._reset()
            else:
                self._answer(status, headers, answer, cut=fate == "cuts")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _forward

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        self._upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("expect", "connection"):
                self._upstream.putheader(name, value)
        self._upstream.endheaders(body or None)
        response = self._upstream.getresponse()
        answer = response.read()
        dropped = {"transfer-encoding", "connection"} | ({"content-length"} if self.command != "HEAD" else set())
        return response.status, [(n, v) for n, v in response.getheaders() if n.lower() not in dropped], answer

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, cut: bool = False) -> None:
        lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, '')}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if self.command != "HEAD" and status != 204:
            lines.append(f"Content-Length: {len(body)}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if self.command == "HEAD":
            body = b""
        self.wfile.write(head + (body[: len(body) // 2] if cut else body))
        self.close_connection = self.close_connection or cut

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, *args: object) -> None:
        pass
