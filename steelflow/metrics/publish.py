"""Where the figures go when a night is done: node_exporter's textfile collector, and a push gateway.

A figure that cannot be delivered fails no night: it is a warning in the log. The gateway's address may contain a
password, so no message repeats it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from steelflow.config import Settings
from steelflow.errors import ConfigError, SteelflowError
from steelflow.metrics.text import check, registry, written

if TYPE_CHECKING:
    from steelflow.metrics.figures import Sample

_log = logging.getLogger(__name__)


def publish(settings: Settings) -> None:
    """Deliver the figures to where the settings say, if they name a place."""
    if settings.metrics.textfile is None and settings.metrics.push is None:
        return
    from steelflow.metrics.figures import read_once  # it reads labels, drift and retrainings too

    try:
        check()
        samples = read_once(settings)
        if settings.metrics.textfile is not None:
            write_textfile(settings.metrics.textfile, samples)
        if settings.metrics.push is not None:
            _push(settings, samples)
    except SteelflowError as exc:
        _log.warning("The figures for Prometheus were not delivered: %s", exc)


def write_textfile(file: Path, samples: list[Sample]) -> None:
    """Replace the file in one step. Other accounts may read it: the exporter runs as another one.

    Raises:
        ConfigError: it cannot be written.
    """
    data = written(samples)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # the collector reads *.prom only
        with os.fdopen(handle, "wb") as made:
            made.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(file)
    except OSError as exc:
        with contextlib.suppress(OSError, UnboundLocalError):
            Path(name).unlink()
        raise ConfigError(f"metrics.textfile {file}: cannot be written ({exc.strerror})") from exc


def _push(settings: Settings, samples: list[Sample]) -> None:
    from prometheus_client import push_to_gateway
    from prometheus_client.exposition import basic_auth_handler, default_handler

    assert settings.metrics.push is not None
    try:
        parts = urlsplit(settings.metrics.push.get_secret_value())
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("metrics.push: not an http or https URL of a push gateway")
    address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    def handler(url: str, method: str, timeout: float | None, headers: Any, data: bytes) -> Callable[[], None]:
        if parts.username is None:
            return default_handler(url, method, timeout, headers, data)
        user, password = unquote(parts.username), unquote(parts.password or "")
        return basic_auth_handler(url, method, timeout, headers, data, user, password)

    try:
        push_to_gateway(
            address, settings.metrics.job, registry(samples), timeout=settings.metrics.timeout, handler=handler
        )
    except (OSError, ValueError) as exc:  # its message may contain the address
        code = getattr(exc, "code", None)
        said = f"status {code}" if code else type(exc).__name__
        raise ConfigError(f"metrics.push: the push gateway did not take the figures ({said})") from None
