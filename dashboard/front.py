"""The application that Streamlit's server runs: our app behind the gate. ``python -m dashboard`` starts it.

With the argument ``--quiet`` the link is not printed: whoever started us does it.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from dashboard.auth.gate import Gate
from dashboard.head import WithScript
from steelflow.config import load_settings
from steelflow.service import sessions
from steelflow.service.headers import WithHeaders

_settings = load_settings()
_home = _settings.home.absolute()


def _port() -> int:
    return int(st.get_option("server.port"))


def _is_free() -> bool:
    from dashboard.auth import access  # here: its caches need Streamlit's runtime, which does not run yet

    return _settings.dashboard.guests or access.has_login()


@asynccontextmanager
async def _told(_: Any) -> AsyncIterator[None]:
    """Record the address, and print the link."""
    from dashboard.auth import access

    url = f"http://{st.get_option('server.address')}:{_port()}"
    sessions.announce(_home, url)
    if "--quiet" not in sys.argv:
        link = url if access.has_login() else sessions.shown_link(_home, url, sys.stdout)
        sys.stdout.write(f"dashboard {link}\n")
        sys.stdout.flush()
    yield


app = st.App(
    Path(__file__).with_name("app.py"),
    lifespan=_told,
    middleware=[
        Middleware(WithHeaders),
        Middleware(Gate, home=_home, port=_port, is_free=_is_free),
        Middleware(WithScript),
    ],
)
