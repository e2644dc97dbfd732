"""Ports of this machine: which are free, and whether something answers there."""

from __future__ import annotations

import contextlib
import http.client
import socket
from urllib.parse import urlsplit

from steelflow.errors import ConfigError


def free_port(port: int, option: str) -> int:
    """``port`` of 127.0.0.1, or any free one for 0. Raises ``ConfigError``, which names ``option``, if it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            raise ConfigError(
                f"port {port} of 127.0.0.1: {exc.strerror}; name another with {option}, or 0 for a free one"
            ) from exc
        return int(probe.getsockname()[1])


def healthy(url: str) -> bool:
    """Whether Prefect's server at ``url`` says that it is well."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/api/health")
        return connection.getresponse().status == 200
    return False


def listens(url: str) -> bool:
    """Whether something accepts connections at ``url``."""
    where = urlsplit(url)
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex((str(where.hostname), where.port or 80)) == 0
