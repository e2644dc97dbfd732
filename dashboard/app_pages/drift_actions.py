"""What to do about drift: since when a line drifts, and a button for each thing that helps."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import streamlit as st

from dashboard import formats, frame, links
from dashboard.app_pages import runs_now
from dashboard.auth import access, normal, queues
from dashboard.auth.orchestrator import orchestrator
from dashboard.data import figures, sources
from dashboard.formats import plain

_FORM = "order-retrain-drift"


def show(table: pl.DataFrame, here: pl.DataFrame, night: dt.date, known: dict[str, Any] | None) -> None:
    """Args: ``table``: the drift table of the span; ``here``: its rows of the line and night; ``known``: who accepted
    what as normal, see ``drifting.accepted``."""
    row = here.row(0, named=True)
    line: str | None = row["line"]
    since(table, row, night, known)
    signal = row["signal"]  # the one that moved most comes first
    with frame.on_screen("drift"):
        if signal is not None:
            places = {"moved": night.isoformat(), "signal": signal} | ({} if line is None else {"line": line})
            st.page_link(
                links.script("review"),
                label=f"Review the {queues.MOVED} images that moved it most",
                icon=":material/label:",
                query_params=places,
                help=f"Those that moved the signal {signal.replace('_', ' ')} most and have no label",
            )
        actor = access.actor()
        may = actor is not None and actor.may("operator")
        retrain(line, night, may)
        if st.button(
            "Accept as normal …",
            key="accept",
            icon=":material/done_all:",
            disabled=not may,
            help="The night becomes the reference of this line for the model that inspects",
        ):
            accept(night, line)
        if not may:
            st.caption("To retrain, or to accept drift as normal, you need the role operator.")
    retrain_told()


def since(table: pl.DataFrame, row: dict[str, Any], night: dt.date, known: dict[str, Any] | None) -> None:
    """Since when the line drifts, and who accepted what as normal."""
    name = plain(row["line"] or "The plant")
    first = figures.since(table, night).get(row["line"])
    if first is not None:
        nights = table.filter(pl.col("line").eq_missing(pl.lit(row["line"], pl.String())))["date"]
        number = nights.filter((nights >= first) & (nights <= night)).n_unique()
        longer = "at least " if first == table["date"].min() else ""
        st.markdown(f"**{name} drifts since {first:%a %d %b}**: {longer}{number} {formats.noun(number, 'night')}.")
    if known is not None:
        when = formats.moment(known.get("at"), sources.settings().night.timezone)
        nights_of = ", ".join(known.get("nights", ()))
        st.caption(
            f"{plain(known.get('who'))} accepted {plain(nights_of)} as normal for {name} on {when}: "
            f"{plain(known.get('reason'))}"
        )


def retrain(line: str | None, night: dt.date, may: bool) -> None:
    """The form that starts a retraining, as on the page Runs; without Prefect, the command."""
    form = st.popover("Retrain …", icon=":material/model_training:", key=_FORM, on_change="rerun", disabled=not may)
    if not form.open or not may:
        return
    with form:
        actor, server = access.actor(), orchestrator(sources.settings())
        why = f"drift of {line or 'the plant'} on {night.isoformat()}"
        if server is None or actor is None:
            st.caption("Prefect does not run here. This command does the same:")
            st.code(f'steelflow retrain --reason "{why}"', language="bash")
            return
        reason = st.text_input("Reason", why, key="drift-reason", max_chars=200)
        request = {"trigger": "manual", "reason": reason.strip(), "who": actor.name}
        runs_now.go("start-retrain-drift", server, "retrain", {"request": request}, not reason.strip())


def retrain_told() -> None:
    if told := st.session_state.pop(runs_now.DONE, None):
        st.success(plain(told), icon=":material/play_arrow:")


@st.dialog("Accept as normal")
def accept(night: dt.date, line: str | None) -> None:
    frame.guarded(_accept)(night, line)


def _accept(night: dt.date, line: str | None) -> None:
    name = plain(line or "the plant")
    st.markdown(
        f"The images of **{name}** of the night **{formats.night(night)}** become its reference for the model that "
        "inspects. The nights after it are compared with them; this night keeps its verdict until it is checked again."
    )
    reason = st.text_input("Reason", key="accept-reason", placeholder="a new lamp on L2", max_chars=500)
    sure = st.checkbox(f"Yes, this is normal for {name}", key="accept-sure")
    if st.button("Accept", type="primary", key="accept-now", disabled=not (sure and reason.strip())):
        if (actor := access.actor()) is None:
            return
        normal.accept_as_normal(actor, sources.settings(), sources.report(), night, line, reason)
        sources.drift.clear()
        frame.done(f"{actor.name} accepted {formats.night(night)} as normal for {line or 'the plant'}.")
        st.rerun()
