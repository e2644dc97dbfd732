"""The two buttons that change which model inspects: promotion and rollback."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import frame
from dashboard.auth import access, actions
from dashboard.data import sources
from steelflow.registry import Version


def change(versions: Sequence[Version], champion: str | None, earlier: Sequence[str]) -> None:
    """The two buttons that change which model inspects."""
    actor = access.actor()
    may = actor is not None and actor.may("operator")
    others = [version.version for version in reversed(versions) if version.version != champion]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if st.button(
            "Promote a version …", icon=":material/arrow_upward:", key="promote", disabled=not (may and others)
        ):
            promote(others, champion)
        if st.button("Roll back …", icon=":material/undo:", key="rollback", disabled=not (may and earlier)):
            rollback(champion, earlier)
        if not may:
            st.caption("To change the model you need the role operator.")
        elif not earlier:
            st.caption("There is no earlier champion for a rollback.")


@st.dialog("Promote a version")
def promote(others: list[str], champion: str | None) -> None:
    frame.guarded(_promote)(others, champion)


def _promote(others: list[str], champion: str | None) -> None:
    version = st.selectbox("Version", others, key="promoted")
    reason = st.text_input("Reason", key="promote-reason", placeholder="for the log", max_chars=500)
    st.caption(f"It replaces {champion or 'the model that ships with steelflow'} from the next night on.")
    sure = st.checkbox(f"Yes, make {version} the champion", key="promote-sure")
    if st.button("Promote", type="primary", key="promote-now", disabled=not (sure and reason.strip())):
        if (actor := access.actor()) is None:
            return
        actions.promote(actor, sources.registry(), version, reason, champion)
        _done(f"{version} is the champion now")


@st.dialog("Roll back")
def rollback(champion: str | None, earlier: Sequence[str]) -> None:
    frame.guarded(_rollback)(champion, earlier)


def _rollback(champion: str | None, earlier: Sequence[str]) -> None:
    to = st.selectbox("To the earlier champion", earlier, key="rolled")
    reason = st.text_input("Reason", key="rollback-reason", placeholder="for the log", max_chars=500)
    st.caption(f"It replaces {champion} from the next night on, with its original files.")
    sure = st.checkbox(f"Yes, go back from {champion} to {to}", key="rollback-sure")
    if st.button("Roll back", type="primary", key="rollback-now", disabled=not (sure and reason.strip())):
        if (actor := access.actor()) is None:
            return
        actions.rollback(actor, sources.registry(), to, reason)
        _done(f"{to} is the champion again")


def _done(text: str) -> None:
    sources.champion.clear()
    frame.done(text)
    st.rerun()
