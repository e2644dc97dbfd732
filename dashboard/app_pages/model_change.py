"""The two buttons that change which model inspects: promotion and rollback."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard import frame
from dashboard.auth import access, actions
from dashboard.auth.access import Actor
from dashboard.data import sources
from steelflow.registry import Registry, Version


def change(versions: Sequence[Version], champion: str | None, earlier: Sequence[str]) -> None:
    """The two buttons that change which model inspects."""
    actor = access.actor()
    may = actor is not None and actor.may("operator")
    others = [version.version for version in reversed(versions) if version.version != champion]
    with frame.on_screen("models"):
        if st.button(
            "Promote a version …", icon=":material/arrow_upward:", key="promote", disabled=not (may and others)
        ):
            _dialog(_PROMOTE, others, champion)
        if st.button("Roll back …", icon=":material/undo:", key="rollback", disabled=not (may and earlier)):
            _dialog(_ROLLBACK, list(earlier), champion)
        if not may:
            st.caption("To change the model you need the role operator.")
        elif not earlier:
            st.caption("There is no earlier champion for a rollback.")


@dataclass(frozen=True, slots=True)
class _Change:
    """What a dialog asks and does. ``sure`` and ``done`` say a version, ``sure`` also the champion."""

    key: str
    title: str
    button: str
    which: str
    note: str
    sure: str
    done: str
    act: Callable[[Actor, Registry, str, str, str | None], object]


_PROMOTE = _Change(
    key="promote",
    title="Promote a version",
    button="Promote",
    which="Version",
    note="It replaces {champion} from the next night on.",
    sure="Yes, make {version} the champion",
    done="{version} is the champion now",
    act=actions.promote,
)
_ROLLBACK = _Change(
    key="rollback",
    title="Roll back",
    button="Roll back",
    which="To the earlier champion",
    note="It replaces {champion} from the next night on, with its original files.",
    sure="Yes, go back from {champion} to {version}",
    done="{version} is the champion again",
    act=lambda actor, registry, version, reason, _: actions.rollback(actor, registry, version, reason),
)


def _dialog(change: _Change, versions: list[str], champion: str | None) -> None:
    st.dialog(change.title)(frame.guarded(_ask))(change, versions, champion)


def _ask(change: _Change, versions: list[str], champion: str | None) -> None:
    """A version, a reason and a tick; then the button."""
    key, shown = change.key, champion or "the model that ships with steelflow"
    version = st.selectbox(change.which, versions, key=f"{key}-version")
    reason = st.text_input("Reason", key=f"{key}-reason", placeholder="for the log", max_chars=500)
    st.caption(change.note.format(champion=shown))
    sure = st.checkbox(change.sure.format(version=version, champion=shown), key=f"{key}-sure")
    if st.button(change.button, type="primary", key=f"{key}-now", disabled=not (sure and reason.strip())):
        if (actor := access.actor()) is None:
            return
        change.act(actor, sources.registry(), version, reason, champion)
        sources.champion.clear()
        frame.done(change.done.format(version=version))
        st.rerun()
