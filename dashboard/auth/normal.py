"""A person accepts drift as normal on a page."""

from __future__ import annotations

import datetime as dt

from dashboard.auth.access import Actor
from steelflow.config import Settings
from steelflow.drift.accept import accept
from steelflow.registry import resolved
from steelflow.store.base import Store


def accept_as_normal(
    actor: Actor, settings: Settings, report: Store, date: dt.date, line: str | None, reason: str
) -> list[str | None]:
    """Make a night the reference of a line for the model that inspects, as ``steelflow accept-drift`` does. The actor's
    name and the reason are stored beside the reference.

    Raises:
        NotAllowed: the actor is not an operator.
        DriftError: no reason, or the night has too few images of that model; nothing was changed.
    """
    actor.must_be("operator")
    digest = resolved(settings).digest
    return accept(
        report, digest, [date], settings.drift.min_images, who=actor.name, reason=reason.strip(), lines=[line]
    )
