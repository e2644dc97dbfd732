"""The box at the top of every page that finds coils, images, nights, classes and models: ``/`` or Ctrl+K, a few
letters, Enter.

The browser's part is ``finder.js``. It asks while one types, and opens the first hit, which is a link like any other.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard import address, frame, links
from dashboard.data import find
from dashboard.data.finding import Here
from steelflow.errors import SteelflowError

_FILES = Path(__file__).parent
_HTML = (_FILES / "finder.html").read_text(encoding="utf-8")
_CSS = (_FILES / "finder.css").read_text(encoding="utf-8")
_JS = (_FILES / "finder.js").read_text(encoding="utf-8")
_LONGEST = 300  # characters; a key of an image may be long


@frame.fragment()
def show() -> None:
    """The box. It runs by itself, so a page is not drawn again while somebody types."""
    # The state of the session has the question that the browser sent: a number, and the text.
    box = st.components.v2.component("steelflow_find", html=_HTML, css=_CSS, js=_JS, isolate_styles=False)
    asked = (st.session_state.get("find") or {}).get("asked")
    box(key="find", data=_answered(asked), on_asked_change=_nothing)


def _answered(asked: Any) -> dict[str, Any]:
    """The answer to one question, for ``finder.js``."""
    if not isinstance(asked, dict):
        return {}
    text = str(asked.get("text", ""))[:_LONGEST]
    try:
        found = find.answer(text, _here())
    except SteelflowError as exc:
        return {"number": asked.get("number"), "hits": [], "told": str(exc)}
    hits = [
        {"kind": hit.kind, "name": hit.name, "about": hit.about, "href": links.to(hit.page, hit.places)}
        for hit in found.hits
    ]
    return {"number": asked.get("number"), "hits": hits, "told": found.told}


def _here() -> Here:
    context = address.context()
    night = context.get("night")
    return Here(None if night is None else dt.date.fromisoformat(night), context.get("line"))


def _nothing() -> None:
    """The component tells its questions only if it has a callback."""
