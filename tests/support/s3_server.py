"""What the small S3 servers of the tests have in common: a server in a thread, and the words of S3."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import quote
from xml.sax.saxutils import escape


class Served:
    """Serves ``handler`` on a free port of 127.0.0.1 while it is entered. The handler finds this as ``server.s3``."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = _Server(("127.0.0.1", 0), handler)
        self._server.s3 = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name=type(self).__name__)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    s3: Any
    daemon_threads = True
    request_queue_size = 64


def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def xml(name: str, inner: str) -> bytes:
    return f"<?xml version='1.0'?><{name}>{inner}</{name}>".encode()


def error(code: str, more: str = "") -> bytes:
    return xml("Error", f"<Code>{code}</Code><Message>no</Message>{more}")


def listed_object(key: str, data: bytes, modified: str, size: int | None = None) -> str:
    """An object in a list. ``size`` is what the server says, if that is not the size."""
    return (
        f"<Contents><Key>{escape(quote(key))}</Key><LastModified>{modified}</LastModified>"
        f"<ETag>{escape(etag(data))}</ETag><Size>{len(data) if size is None else size}</Size></Contents>"
    )


def listed_folder(prefix: str) -> str:
    return f"<CommonPrefixes><Prefix>{escape(quote(prefix))}</Prefix></CommonPrefixes>"
