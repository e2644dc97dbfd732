"""Ports of this machine: find a free port, and check whether a service answers."""

from __future__ import annotations

import contextlib
import http.client
import socket
from urllib.parse import urlsplit

from steelflow.errors import ConfigError


def free_port(port: int, option: str) -> int:
    """``port`` on 127.0.0.1; for 0, any free port. Raises ``ConfigError``, which names ``option``, if it is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            raise ConfigError(
                f"port {port} of 127.0.0.1: {exc.strerror}; name another port with {option}, or 0 for any free port"
            ) from exc
        return int(probe.getsockname()[1])


def healthy(url: str) -> bool:
    """Whether Prefect's server at ``url`` reports that it is healthy."""
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
