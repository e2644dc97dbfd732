"""Check whether flows can run here. ``steelflow up`` requires it; ``steelflow doctor`` reports it."""

from __future__ import annotations

import importlib.metadata
import importlib.util

from steelflow.config import Settings
from steelflow.service.ports import healthy
from steelflow.service.state import running

INSTALL = "pip install 'steelflow[flows]'"
# With later versions Prefect 3.8 starts and looks healthy, but listing calls fail (fastapi) or scheduled runs are never
# created (SQLAlchemy).
_BELOW = {"fastapi": (0, 151), "sqlalchemy": (2, 1)}


def check_prefect(settings: Settings) -> tuple[bool, str]:
    """Whether flows can run here, and a text: the reason why not, or the state of the service."""
    fine, text = prefect_installed()
    if not fine:
        return False, text
    url = running(settings)
    if url is None:
        return True, f"{text}; the service is not running, `steelflow up` starts it"
    if not healthy(url):
        return False, f"{text}; the service is running, but its server does not answer at {url}: restart `steelflow up`"
    return True, f"{text}; the service is running at {url}"


def prefect_installed() -> tuple[bool, str]:
    """Whether Prefect and our flows are installed in compatible versions, and the reason why not."""
    if importlib.util.find_spec("prefect") is None:
        return False, f"Prefect is not installed; {INSTALL}"
    if importlib.util.find_spec("flows") is None:
        return False, f"the package `flows` is not installed; {INSTALL}"
    for name, limit in _BELOW.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return False, f"Prefect is installed without its server: {name} is missing; {INSTALL}"
        if tuple(int(part) for part in version.split(".")[:2]) >= limit:
            below = ".".join(map(str, limit))
            return False, f"Prefect does not work with {name} {version}; it needs a version below {below}; {INSTALL}"
    return True, f"Prefect {importlib.metadata.version('prefect')}"
