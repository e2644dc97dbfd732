"""Messages that are sent once for a night and a cause, even if several runs try.

    alerts/date=2026-11-18/drift.alarm-<hash of the cause>.json   below the reports

A run claims a message with a new object, sends it, and marks the object as sent. A message that could not be delivered
is free again. If the process dies in between, another run sends it after some minutes: better twice than never.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import logging
from collections.abc import Callable, Sequence

from steelflow.config import Settings
from steelflow.errors import ObjectExists, ObjectNotFound, SteelflowError, StoreError
from steelflow.report.layout import alert_key
from steelflow.store import Store, open_store
from steelflow.store.clock import store_time
from steelflow.store.lock import locked

_STALE = dt.timedelta(minutes=5)  # an alert is tried three times, with a timeout of some seconds
_WAIT = 60.0  # seconds, for another run that claims messages of the night
_log = logging.getLogger(__name__)


def tell_once(
    settings: Settings, night: dt.date, event: str, causes: Sequence[str], tell: Callable[[Sequence[str]], bool]
) -> bool:
    """Call ``tell`` with those of the causes that no message of this night and event has told yet, if there are some.

    If the store does not answer, all of them are sent.

    Args:
        tell: sends the message, and says whether it was delivered.

    Returns:
        Whether this call delivered a message.
    """
    if not causes:
        return False
    keys = {cause: alert_key(night, event, hashlib.sha256(cause.encode()).hexdigest()[:16]) for cause in causes}
    try:
        report = open_store(settings.report.uri, settings.store, create=True)
        with locked(report, f"locks/alerts-{night}", f"an alert about the night of {night}", _WAIT):
            fresh = [cause for cause in causes if _claimed(report, keys[cause], cause)]
    except SteelflowError as exc:
        _log.warning("It is not known whether %s of the night of %s was sent before: %s", event, night, exc)
        return tell(causes)
    delivered = False
    try:
        delivered = bool(fresh) and tell(fresh)
    finally:
        with contextlib.suppress(StoreError):  # then another run tells it again
            for cause in fresh:
                _settle(report, keys[cause], cause, delivered)
    return delivered


def _claimed(report: Store, key: str, cause: str) -> bool:
    """Whether the message is ours to send. The caller holds a lock: not every store refuses a second new object."""
    try:
        report.put_new(key, _content(cause, sent=False))
    except ObjectExists:
        try:
            sent = json.loads(report.get(key)).get("sent", True)
            claimed_at = report.stat(key).modified
        except (ObjectNotFound, ValueError, AttributeError):
            return True  # withdrawn since then, or no claim of ours
        if sent or claimed_at is None or store_time(report) - claimed_at < _STALE:
            return False
        report.put(key, _content(cause, sent=False))
    return True


def _settle(report: Store, key: str, cause: str, delivered: bool) -> None:
    if delivered:
        report.put(key, _content(cause, sent=True))
    else:
        report.delete(key)


def _content(cause: str, *, sent: bool) -> bytes:
    return json.dumps({"cause": cause, "sent": sent}).encode()
