"""The review sessions of everybody on this server. A session survives a reload of its page, and no two sessions show
the same image."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import streamlit as st

from dashboard.auth.labelling import Review
from dashboard.data import images
from steelflow.archive.fetch import ImageRef

_MOST = 200  # sessions; the ones that were not used for the longest time go first
_HELD = 180.0  # seconds after which an image that nobody has touched is free again


@dataclass
class Session:
    """The queue of one tab. ``who`` is the person; ``used`` the time of the last key or look, in seconds."""

    id: str
    who: str
    line: str
    review: Review
    shown: ImageRef | None = None
    used: float = field(default_factory=time.monotonic)


class Sessions:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Session] = OrderedDict()

    def get(self, name: str | None, who: str, line: str) -> Session | None:
        """The session with this name, if it is of the person and of the line."""
        with self._lock:
            found = self._known.get(name or "")
        return found if found is not None and (found.who, found.line) == (who, line) else None

    def begin(self, who: str, line: str, make: Callable[[], Review]) -> Session:
        session = Session(secrets.token_hex(4), who, line, make())
        with self._lock:
            self._known[session.id] = session
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return session

    def end(self, session: Session) -> None:
        with self._lock:
            self._known.pop(session.id, None)

    def take(self, session: Session) -> None:
        """Choose the image that the session shows: one that no other session shows."""
        with self._lock:
            session.used = now = time.monotonic()
            if session.id in self._known:
                self._known.move_to_end(session.id)
            others = {one.shown for one in self._known.values() if one is not session and now - one.used < _HELD}
            session.review.later({shown for shown in others if shown is not None})
            row = session.review.row
            session.shown = None if row is None else images.reference(row)


@st.cache_resource(show_spinner=False)
def sessions() -> Sessions:
    return Sessions()
