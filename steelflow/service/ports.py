"""Ports of this machine: find a free port, and check whether a service answers."""

from __future__ import annotations

import contextlib
import http.client
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from steelflow.errors import ConfigError

LOOPBACK = "127.0.0.1"
DASHBOARD_HEALTH = "/_stcore/health"  # of Streamlit


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to listen on."""

    host: str
    port: int

    @classmethod
    def parsed(cls, text: str, port: int, option: str = "--metrics") -> Address:
        """``HOST:PORT``, ``HOST``, ``PORT`` or ``:PORT``. What is left out is 127.0.0.1 and ``port``.

        Raises:
            ConfigError: it is none of these; the message names ``option``.
        """
        wanted = f":{text}" if text.isdigit() else text
        with contextlib.suppress(ValueError):  # brackets that do not match, or a port that is none
            parts = urlsplit(f"//{wanted}")
            if text and parts.netloc == wanted and "@" not in wanted:
                return cls(parts.hostname or LOOPBACK, port if parts.port is None else parts.port)
        raise ConfigError(f"{option} {text!r}: not an address to listen on; write HOST:PORT, such as 127.0.0.1:{port}")

    @property
    def url(self) -> str:
        return f"http://{self}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def free_port(port: int, option: str, host: str = LOOPBACK) -> int:
    """``port`` on ``host``; for 0, any free port. Raises ``ConfigError``, which names ``option``, if it is in use."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            raise ConfigError(
                f"port {port} of {host}: {exc.strerror}; name another port with {option}, or 0 for any free port"
            ) from exc
        return int(probe.getsockname()[1])


def healthy(url: str, path: str = "/api/health") -> bool:
    """Whether the server at ``url`` reports that it is healthy; ``path`` is where Prefect's says so."""
    where = urlsplit(url)
    connect = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
    connection = connect(str(where.hostname), where.port, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", f"{where.path.rstrip('/')}{path}")
        return connection.getresponse().status == 200
    return False


def listens(url: str) -> bool:
    """Whether something accepts connections at ``url``."""
    where = urlsplit(url)
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex((str(where.hostname), where.port or 80)) == 0
