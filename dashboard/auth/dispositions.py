"""A person decides about coils on a page: held, released, or to be graded."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Mapping

from dashboard.auth.access import Actor
from steelflow.coils.deciding import Decided
from steelflow.coils.deciding import decide as decide_about
from steelflow.coils.decisions import Decisions
from steelflow.coils.proposal import Coil
from steelflow.config import Disposition, Settings
from steelflow.service.coil_decided import alert_of_decision
from steelflow.store.base import Store


def decide(
    actor: Actor,
    settings: Settings,
    report: Store,
    decisions: Decisions,
    date: dt.date,
    seen: Mapping[Coil, int],
    disposition: Disposition,
    reason: str,
) -> list[Decided]:
    """Store a decision about coils of a night, with the actor's name and a reason, and post an alert of each.

    Args:
        seen: the coils, and the number of decisions about each that the actor has seen.

    Raises:
        NotAllowed: the actor's role is below ``coils.role`` of the settings.
        CoilError: no reason, no such coil, or another person has decided since; nothing was changed.
    """
    actor.must_be(settings.coils.role)
    made = decide_about(
        settings, report, decisions, date, list(seen), disposition, who=actor.name, reason=reason, seen=seen
    )
    fresh = [one.decision for one in made if one.fresh]
    # A webhook that does not answer must not keep the page waiting.
    threading.Thread(target=lambda: [alert_of_decision(settings, one) for one in fresh], name="coil-alert").start()
    return made
