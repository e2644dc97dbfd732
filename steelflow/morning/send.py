"""Sends the morning report: to the webhook of the alerts, and by mail."""

from __future__ import annotations

import datetime as dt
import logging

from steelflow.config import Settings
from steelflow.errors import SteelflowError
from steelflow.morning.content import Report
from steelflow.morning.gather import gather
from steelflow.morning.mail import mail
from steelflow.service.alerts import alert

EVENT = "night.report"
_log = logging.getLogger(__name__)


def send(settings: Settings, report: Report) -> tuple[str, ...]:
    """Send a report to all that the settings name. Returns where it was delivered: ``webhook``, ``mail``. A failure is
    logged in one line."""
    sent = []
    if settings.morning.webhook and alert(settings, EVENT, report.text, report.to_dict()):
        sent.append("webhook")
    if settings.morning.mail and settings.mail.host is not None:
        problem = mail(settings.mail, report)
        if problem is None:
            sent.append("mail")
        else:
            _log.warning("The morning report of %s was not mailed: %s", report.night, problem)
    return tuple(sent)


def is_sent(settings: Settings) -> bool:
    """Whether the settings name somebody who receives the report."""
    hook = settings.morning.webhook and settings.alerts.webhook is not None
    return hook or (settings.morning.mail and settings.mail.host is not None)


def send_report_of(settings: Settings, date: dt.date) -> tuple[str, ...]:
    """Make and send the report of a night that was inspected. Whatever fails is logged in one line: the night is done.
    Returns where it was delivered."""
    if not is_sent(settings):
        return ()
    try:
        return send(settings, gather(settings, date))
    except SteelflowError as exc:
        _log.warning("The morning report of %s was not sent: %s", date, exc)
        return ()
