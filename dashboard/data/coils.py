"""The coils of a night with proposals and decisions, the trust in the night, and its morning report."""

from __future__ import annotations

import datetime as dt

import streamlit as st

from dashboard.data import sources
from steelflow.coils.decisions import Decisions, open_decisions
from steelflow.coils.listing import CoilState, coil_list
from steelflow.config import Settings
from steelflow.morning.files import as_html, as_pdf
from steelflow.morning.gather import gather
from steelflow.morning.trust import Trust, trust

_NIGHTS = 4  # in the cache


def decisions() -> Decisions:
    return open_decisions(sources.settings())


@st.cache_data(ttl=sources.FRESH, max_entries=_NIGHTS, show_spinner=False)
def coils(date: dt.date) -> list[CoilState]:
    """The coils of a night, see ``coil_list``."""
    return coil_list(sources.settings(), sources.report(), decisions(), date)


@st.cache_data(ttl=sources.FRESH, max_entries=_NIGHTS, show_spinner=False)
def trusted(date: dt.date) -> Trust:
    """Whether a night can be trusted."""
    return trust(sources.report(), sources.registry(), date, sources.settings())


def report_of(settings: Settings, date: dt.date, suffix: str) -> bytes:
    """The morning report as it is now, as ``.pdf`` or ``.html``. It is called outside of a page's run."""
    found = gather(settings, date)
    return as_pdf(found) if suffix == ".pdf" else as_html(found)
