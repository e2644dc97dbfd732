"""Whom to tell: a JSON object by POST to the webhook of the settings.

    {"event": "drift.alarm", "text": "one line for people", "details": {…}, "at": "2026-11-18T04:12:09+00:00"}

Chat services show ``text`` as it is. The URL is a secret, for it may hold a token: neither it nor the answer is
repeated anywhere. That is why the standard library posts it: urllib3 writes the path of every request into its debug
log. An alert that cannot be delivered is one line in the log, and no reason for the work to fail.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import http.client
import json
import logging
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from steelflow import __version__
from steelflow.config import Settings

_log = logging.getLogger(__name__)

_ATTEMPTS = 3
_DELAY = 1.0  # seconds before the second attempt, twice that before the third
_MAY_PASS = {408, 425, 429, 500, 502, 503, 504}  # answers that may be better next time
_SCHEMES = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}


def alert(settings: Settings, event: str, text: str, details: Mapping[str, Any] | None = None) -> bool:
    """Tell the webhook, if there is one, and say whether it was told. What goes wrong on the way is logged, not raised.

    Args:
        event: what happened, as a name with dots: ``drift.alarm``.
        text: the same in one line, for people.
        details: what a program may want of it; what JSON does not know is written as text, NaN and infinities as null.
    """
    if settings.alerts.webhook is None:
        return False
    told = {"event": event, "text": text, "details": details or {}, "at": dt.datetime.now(dt.UTC).isoformat()}
    plain = json.loads(json.dumps(told, default=str), parse_constant=lambda _: None)
    body = json.dumps(plain).encode()
    problem = ""
    for attempt in range(_ATTEMPTS):
        time.sleep(_DELAY * attempt)
        try:
            status = _post(settings.alerts.webhook.get_secret_value(), body, settings.alerts.timeout)
        except (ValueError, http.client.InvalidURL):  # its message would repeat the URL
            problem = "it is no http or https URL"
            break
        except (OSError, http.client.HTTPException) as exc:
            problem = f"no answer ({type(exc).__name__})"
        else:
            if 200 <= status < 300:
                return True
            problem = f"the answer was status {status}"
            if status not in _MAY_PASS:
                break
    _log.warning("The alert %s was not delivered to alerts.webhook: %s", event, problem)
    return False


def _post(url: str, body: bytes, timeout: float) -> int:
    """The status of the answer."""
    where = urlsplit(url)
    if where.scheme not in _SCHEMES or not where.hostname:
        raise ValueError
    target = (where.path or "/") + (f"?{where.query}" if where.query else "")
    headers = {"Content-Type": "application/json", "User-Agent": f"steelflow/{__version__}"}
    with contextlib.closing(_SCHEMES[where.scheme](where.hostname, where.port, timeout=timeout)) as connection:
        connection.request("POST", target, body, headers)
        return int(connection.getresponse().status)
