"""Parts about the disposition of coils: what is proposed, what was decided, and the buttons to decide."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

import polars as pl
import streamlit as st

from dashboard import formats, frame, links
from dashboard.auth import access
from dashboard.auth.dispositions import decide
from dashboard.data import coils, sources
from dashboard.formats import plain
from steelflow.coils.export import as_csv, as_parquet
from steelflow.coils.listing import CoilState, table
from steelflow.coils.proposal import Coil
from steelflow.config import Disposition

_Colour = Literal["green", "orange", "red", "gray"]
_COLOURS: dict[str, _Colour] = {"released": "green", "held": "red", "to be graded": "orange"}
_VERBS: dict[Disposition, tuple[str, str]] = {
    "held": ("Hold …", ":material/block:"),
    "released": ("Release …", ":material/check_circle:"),
    "to be graded": ("To be graded …", ":material/rule:"),
}
_DONE = "coil-decided"
_TO_DO, _DECIDED, _ALL = "To do", "Decided", "All"


def of_coil(night: dt.date, line: str | None, coil: str) -> None:
    """The disposition of one coil, with its history and the buttons."""
    _told()
    state = next((one for one in coils.coils(night) if (one.line, one.coil) == (line, coil)), None)
    if state is None:
        return
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            _badges(state)
        if state.proposal is not None:
            st.markdown("\n".join(f"- {plain(one)}" for one in state.proposal.reasons))
        if state.changed:
            st.warning(
                f"Since the decision its basis has changed: {plain('; '.join(state.changed))}.",
                icon=":material/update:",
            )
        _buttons(night, [state], f"{line}/{coil}")
        if state.history:
            with st.expander(f"History of decisions ({len(state.history)})"):
                _history(state)


@frame.fragment()
def of_night(night: dt.date) -> None:
    """The coils of a night: those on which a person must act first."""
    _told()
    found = coils.coils(night)
    if not found:
        return
    st.caption(_counts(found))
    with st.container(horizontal=True, vertical_alignment="center"):
        shown = st.segmented_control(
            "Coils", (_TO_DO, _DECIDED, _ALL), default=_TO_DO, key="coils-shown", label_visibility="collapsed"
        )
        _downloads(night, found)
    rows = _chosen(found, shown or _ALL)
    if not rows:
        st.caption("None.")
        return
    picked = st.dataframe(
        [_row(one) for one in rows],
        height=min(252, 36 + 28 * len(rows)),
        row_height=28,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=links.ticking(f"coils-{shown}", ((one.line, one.coil) for one in rows)),
        column_config={
            "line": st.column_config.TextColumn("Line", width=50),
            "coil": st.column_config.TextColumn("Coil", width=90),
            "proposed": st.column_config.TextColumn("Proposed", width=100),
            "decided": st.column_config.TextColumn("Decided", width=100),
            "why": st.column_config.TextColumn("Why", width="large"),
        },
    )
    ticked = [rows[number] for number in picked["selection"]["rows"] if number < len(rows)]
    if not ticked:
        with frame.on_screen("decide"):
            st.caption("Tick coils to decide about them, or to open one.")
        return
    if len(ticked) == 1 and ticked[0].figures:
        line, coil = ticked[0].line, ticked[0].coil
        with frame.on_screen("open"):
            places = links.of_coil(night, line, coil)
            st.page_link(links.script("coil"), label=plain(f"Open coil {coil}"), query_params=places)
    _buttons(night, ticked, "night")


def _badges(state: CoilState) -> None:
    if state.proposed is not None:
        st.badge(f"proposed: {state.proposed}", color=_COLOURS[state.proposed])
    decision = state.decision
    if decision is None:
        st.badge("nobody has decided", color="gray")
        return
    st.badge(decision.disposition, color=_COLOURS[decision.disposition], icon=":material/verified_user:")
    at = formats.moment(decision.at, sources.settings().night.timezone)
    st.caption(f"{plain(decision.who)}, {at}: {plain(decision.reason)}", width="content")


def _history(state: CoilState) -> None:
    zone = sources.settings().night.timezone
    for one in reversed(state.history):
        st.markdown(
            f":{_COLOURS[one.disposition]}-badge[{one.disposition}] **{plain(one.who)}**, "
            f"{formats.moment(one.at, zone)}: {plain(one.reason)}  \n"
            f":small[proposed then: {plain(one.proposed or 'nothing')}; {plain('; '.join(one.reasons))}]"
        )


def _buttons(night: dt.date, states: Sequence[CoilState], key: str) -> None:
    actor = access.actor()
    role = sources.settings().coils.role
    may = actor is not None and actor.may(role)
    with frame.on_screen(f"decide-{key}"):
        for disposition, (label, icon) in _VERBS.items():
            if st.button(label, icon=icon, key=f"{disposition}-{key}", disabled=not may):
                _dialog(night, states, disposition)
        if not may:
            st.caption(f"To decide about coils you need the role {role}.")


def _dialog(night: dt.date, states: Sequence[CoilState], disposition: Disposition) -> None:
    title = {"held": "Hold", "released": "Release", "to be graded": "To be graded:"}[disposition]
    what = f"coil {states[0].coil}" if len(states) == 1 else f"{len(states)} coils"
    seen = {(one.line, one.coil): len(one.history) for one in states}
    against = sum(one.proposed is not None and one.proposed != disposition for one in states)
    st.dialog(plain(f"{title} {what}"))(frame.guarded(partial(_ask, night, seen, disposition, against)))()


def _ask(night: dt.date, seen: Mapping[Coil, int], disposition: Disposition, against: int) -> None:
    if against:
        st.caption(f"The proposal differs for {against} of {len(seen)}." if len(seen) > 1 else "The proposal differs.")
    reason = st.text_input("Reason", key="coil-reason", placeholder="it is kept with your name", max_chars=500)
    if st.button("Decide", type="primary", key="coil-decide", disabled=not reason.strip()):
        if (actor := access.actor()) is None:
            return
        made = decide(actor, sources.settings(), sources.report(), coils.decisions(), night, seen, disposition, reason)
        coils.coils.clear()
        names = ", ".join(one.decision.coil for one in made[:4]) + (", …" if len(made) > 4 else "")
        st.session_state[_DONE] = f"{names}: {disposition}"
        st.rerun()


def _told() -> None:
    if text := st.session_state.pop(_DONE, None):
        st.toast(plain(text), icon=":material/check:")


def _chosen(found: Sequence[CoilState], shown: str) -> list[CoilState]:
    """To do: undecided coils that are not proposed as released, and decisions whose basis has changed; coils to hold
    first, then those with most defects."""
    if shown == _TO_DO:
        found = [one for one in found if one.changed or (one.decision is None and one.proposed != "released")]
    elif shown == _DECIDED:
        found = [one for one in found if one.decision is not None]
    return sorted(found, key=lambda one: (one.proposed != "held", one.decision is not None, -(one.rate or 0)))


def _row(state: CoilState) -> dict[str, str]:
    decision = state.decision
    reasons = "; ".join(state.proposal.reasons) if state.proposal is not None else ""
    changed = f"changed since: {'; '.join(state.changed)}. " if state.changed else ""
    return {
        "line": state.line or formats.NOTHING,
        "coil": state.coil,
        "proposed": state.proposed or formats.NOTHING,
        "decided": formats.NOTHING if decision is None else f"{decision.disposition} by {decision.who}",
        "why": f"{changed}{reasons}",
    }


def _counts(found: Sequence[CoilState]) -> str:
    open_ones = [one for one in found if one.decision is None]
    counts = {name: sum(one.proposed == name for one in open_ones) for name in ("held", "to be graded", "released")}
    told = [f"**{counts['held']}** to hold", f"**{counts['to be graded']}** to be graded"]
    told += [f"{counts['released']} to release", f"{len(found) - len(open_ones)} of {len(found)} decided"]
    return ", ".join(told)


def _content(write: Callable[[pl.DataFrame], bytes], found: Sequence[CoilState]) -> bytes:
    return write(table(found))


def _downloads(night: dt.date, found: Sequence[CoilState]) -> None:
    for suffix, write in ((".csv", as_csv), (".parquet", as_parquet)):
        st.download_button(
            suffix.removeprefix(".").upper() if suffix == ".csv" else "Parquet",
            partial(_content, write, found),
            file_name=f"coils-{night}{suffix}",
            icon=":material/download:",
            key=f"coils{suffix}",
            on_click="ignore",
        )
