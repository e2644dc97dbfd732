"""The secret of Prefect's server: every caller of its API must know it.

It is random, created once, and kept in ``home/prefect/api-secret``, which only its owner can read. Our processes get it
through their environment, never as an argument. Prefect's UI asks for it once and keeps it in the browser.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
from pathlib import Path

from steelflow.store.private import write_own

_USER = "steelflow"  # Prefect's secret has the form user:password


def secret_file(state: Path) -> Path:
    return state / "api-secret"


def api_secret(state: Path) -> str:
    """The secret, as ``user:password``. It is made if there is none yet."""
    return kept_secret(state) or _made(state)


def kept_secret(state: Path) -> str | None:
    """The secret, if there is one."""
    with contextlib.suppress(OSError):
        found = secret_file(state).read_text().strip()
        return found if found.startswith(f"{_USER}:") else None
    return None


def basic(secret: str) -> str:
    """The value of the HTTP header ``Authorization``."""
    return f"Basic {base64.b64encode(secret.encode()).decode()}"


def _made(state: Path) -> str:
    made = f"{_USER}:{secrets.token_urlsafe(32)}"
    write_own(secret_file(state), f"{made}\n")
    return made
