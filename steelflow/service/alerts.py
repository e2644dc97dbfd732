"""Tell people about what happened: a JSON object by POST to the webhook of the settings.

    {"event": "drift.alarm", "text": "one line for people", "details": {…}, "at": "2026-11-18T04:12:09+00:00"}

Chat services show ``text`` as it is. The proxies of the environment (``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``) are
used; trusted are the certificate authorities of the system, or those that ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` name.

The URL is a secret, since it may hold a token: neither the URL nor the answer appears in a log or an error, and no
redirect is followed. An alert that cannot be delivered is one line in the log; the work goes on.
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
_MAY_PASS = {408, 425, 429, 500, 502, 503, 504}  # answers that may be better next time


def alert(settings: Settings, event: str, text: str, details: Mapping[str, Any] | None = None) -> bool:
    """Post an alert, if the settings name a webhook, and return whether it was delivered. Failures are logged only.

    Args:
        event: what happened, as a name with dots: ``drift.alarm``.
        text: the same in one line, for people.
        details: the same for programs; values that JSON does not know are written as text, NaN and infinities as null.
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
    """None if the body was delivered, else the reason why not, without the URL."""
    import httpx  # here, since it takes a quarter of a second to load and most runs send no alert

    headers = {"Content-Type": "application/json", "User-Agent": f"steelflow/{__version__}"}
    trusted = ssl.create_default_context()
    try:
        client = httpx.Client(verify=trusted, headers=headers, timeout=timeout, follow_redirects=False)
    except (ImportError, ValueError, httpx.InvalidURL):  # its message may hold the password of the proxy
        return "the environment names a proxy that cannot be used; check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
    problem = ""
    with _unlogged("httpx", "httpcore"), client:
        for attempt in range(_ATTEMPTS):
            time.sleep(_DELAY * attempt)
            try:
                with client.stream("POST", url, content=body) as response:  # the text of the answer is not read
                    status = response.status_code
            except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError):  # its message would repeat the URL
                return "it is no http or https URL"
            except httpx.HTTPError as exc:
                problem = f"no answer ({type(exc).__name__})"
            else:
                if 200 <= status < 300:
                    return None
                problem = f"the answer was status {status}"
                if status not in _MAY_PASS:
                    break
    return problem


@contextlib.contextmanager
def _unlogged(*packages: str) -> Iterator[None]:
    """Drop what these packages log in this thread: the URL at INFO, the headers of the answer at DEBUG."""
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
