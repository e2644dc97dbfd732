"""The message that a person has decided about a coil."""

from __future__ import annotations

from steelflow.coils.decisions import Decision
from steelflow.config import Settings
from steelflow.service.alerts import alert


def alert_of_decision(settings: Settings, decision: Decision) -> bool:
    """Post the alert ``coil.released``, ``coil.held`` or ``coil.to_be_graded``, with the decision and what it was based
    on. Returns whether it was delivered."""
    event = f"coil.{decision.disposition.replace(' ', '_')}"
    line = "" if decision.line is None else f" of line {decision.line}"
    text = f"Coil {decision.coil}{line}, {decision.date}: {decision.disposition} by {decision.who}: {decision.reason}"
    return alert(settings, event, text, decision.to_dict())
