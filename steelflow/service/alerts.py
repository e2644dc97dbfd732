"""Alerts: POST a JSON object to the webhook of the settings.

    {"event": "drift.alarm", "text": "one line for people", "details": {…}, "at": "2026-11-18T04:12:09+00:00"}

Chat services show ``text``. The proxies of the environment (``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``) are used.
The certificate authorities of the system are trusted, or those in ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``.

The URL is a secret, because it may contain a token. The URL and the response never appear in a log or an error, and
redirects are not followed. If an alert cannot be delivered, one line is logged and the work continues.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from steelflow import __version__
from steelflow.config import Settings

_log = logging.getLogger(__name__)

_ATTEMPTS = 3
_DELAY = 1.0  # seconds before the second attempt, twice that before the third
_MAY_PASS = {408, 425, 429, 500, 502, 503, 504}  # status codes worth another attempt


def alert(settings: Settings, event: str, text: str, details: Mapping[str, Any] | None = None) -> bool:
    """Post an alert if the settings name a webhook. Returns whether it was delivered. Failures are only logged.

    Args:
        event: the event as a name with dots: ``drift.alarm``.
        text: one line for people.
        details: data for programs. Values that JSON does not support are written as text, NaN and infinities as null.
    """
    if settings.alerts.webhook is None:
        return False
    told = {"event": event, "text": text, "details": details or {}, "at": dt.datetime.now(dt.UTC).isoformat()}
    plain = json.loads(json.dumps(told, default=str), parse_constant=lambda _: None)
    problem = _post(settings.alerts.webhook.get_secret_value(), json.dumps(plain).encode(), settings.alerts.timeout)
    if problem is not None:
        _log.warning("The alert %s was not delivered to alerts.webhook: %s", event, problem)
    return problem is None


def _post(url: str, body: bytes, timeout: float) -> str | None:
    """None if the body was delivered, else the reason of the failure, without the URL."""
    import httpx  # imported here: it loads in a quarter of a second, and most runs send no alert

    headers = {"Content-Type": "application/json", "User-Agent": f"steelflow/{__version__}"}
    trusted = ssl.create_default_context()
    try:
        client = httpx.Client(verify=trusted, headers=headers, timeout=timeout, follow_redirects=False)
    except (ImportError, ValueError, httpx.InvalidURL):  # its message may contain the proxy's password
        return "the environment names a proxy that cannot be used; check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
    problem = ""
    with _unlogged("httpx", "httpcore"), client:
        for attempt in range(_ATTEMPTS):
            time.sleep(_DELAY * attempt)
            try:
                with client.stream("POST", url, content=body) as response:  # the response body is not read
                    status = response.status_code
            except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError):  # its message would repeat the URL
                return "it is not an http or https URL"
            except httpx.HTTPError as exc:
                problem = f"no answer ({type(exc).__name__})"
            else:
                if 200 <= status < 300:
                    return None
                problem = f"the response had status {status}"
                if status not in _MAY_PASS:
                    break
    return problem


@contextlib.contextmanager
def _unlogged(*packages: str) -> Iterator[None]:
    """Drop the log records of these packages in this thread: they contain the URL (INFO) and the headers (DEBUG)."""
    here = threading.get_ident()

    def from_elsewhere(_: logging.LogRecord) -> bool:
        return threading.get_ident() != here

    names = [name for name in list(logging.root.manager.loggerDict) if name.partition(".")[0] in packages]
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addFilter(from_elsewhere)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(from_elsewhere)
