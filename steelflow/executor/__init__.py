"""Where units are inspected: in this process, or on the nodes of a Ray cluster.

The flow or the command stays the one driver: it locks, plans, clears, finishes and measures drift. An executor gets
units and gives back what became of each.

    with open_executor(settings) as executor:
        for done in executor.inspect(units, job):
"""

from __future__ import annotations

from steelflow.config import Settings
from steelflow.executor.base import Executor, Local

__all__ = ["Executor", "Local", "open_executor"]


def open_executor(settings: Settings) -> Executor:
    """The executor of the settings. Raises ``ClusterError`` where the extra ``ray`` is not installed."""
    if settings.executor.kind == "local":
        return Local()
    from steelflow.executor.remote import Remote

    return Remote(settings)
