"""Runs, now and next: what Prefect does, with its log; starting, cancelling and repeating a run."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import streamlit as st

from dashboard import formats, frame, links
from dashboard.auth import access
from dashboard.auth.orchestrator import FlowRun, Kind, Orchestrator
from dashboard.data import sources
from dashboard.formats import plain

_LOOK = 5.0  # seconds
DONE = "runs-done"  # what the buttons above said last
_CHANGED = "runs-changed"  # the same of those beside the runs: each fragment shows its own
_TICKED = "runs-ticked"  # the run whose log is read
_LINES = 200  # of a log
_POPOVERS = ("order-night", "order-nights", "order-retrain", "order-retrain-drift")


def show(server: Orchestrator) -> None:
    start(server)
    under_way(server)


@frame.fragment()
def start(server: Orchestrator) -> None:
    """The three buttons, for operators, and what became of the last one."""
    who = access.actor()
    if who is None or not who.may("operator"):
        st.caption("To start runs you need the role operator.")
        return
    yesterday = dt.date.today() - dt.timedelta(days=1)
    night, nights, retrain, _ = _POPOVERS
    # A form is drawn once the server knows that it is open: only then can the server close it.
    with st.container(horizontal=True, gap="small"):
        form = st.popover("Inspect a night", icon=":material/nightlight:", key=night, on_change="rerun")
        if form.open:
            with form:
                date = st.date_input("Night", yesterday, key="start-night", format="YYYY-MM-DD")
                go("start-nightly", server, "nightly", {"night": {"date": date.isoformat()}})
        form = st.popover("Inspect nights again", icon=":material/history:", key=nights, on_change="rerun")
        if form.open:
            with form:
                st.caption("With the current champion. Reports that are up to date stay.")
                first = st.date_input("From", yesterday, key="start-first", format="YYYY-MM-DD")
                last = st.date_input("To", yesterday, key="start-last", format="YYYY-MM-DD")
                parameters = {"first": first.isoformat(), "last": last.isoformat()}
                go("start-backfill", server, "backfill", {"parameters": parameters}, first > last)
        form = st.popover("Retrain", icon=":material/model_training:", key=retrain, on_change="rerun")
        if form.open:
            with form:
                reason = st.text_input("Reason", key="start-reason", placeholder="new grade on L1", max_chars=200)
                request = {"trigger": "manual", "reason": reason.strip(), "who": who.name}
                go("start-retrain", server, "retrain", {"request": request}, not reason.strip())
    if told := st.session_state.get(DONE):
        st.success(plain(told), icon=":material/play_arrow:")


def go(key: str, server: Orchestrator, kind: Kind, parameters: dict[str, Any], disabled: bool = False) -> None:
    st.button(
        "Start",
        key=key,
        type="primary",
        disabled=disabled,
        on_click=frame.guarded(begin),
        args=(server, kind, parameters),
    )


def begin(server: Orchestrator, kind: Kind, parameters: dict[str, Any]) -> None:
    """Start a run, close the form and say so. One click is one run, even if the browser sends it twice: equal
    parameters within a minute have the same key."""
    if (who := access.actor()) is None:
        return
    name = f"{kind}:{parameters}:{dt.datetime.now(dt.UTC):%Y%m%d%H%M}"
    key = st.session_state.setdefault("wish", {}).setdefault(name, uuid.uuid4().hex)
    started = server.start(who, kind, parameters, key)
    st.session_state[DONE] = f"{kind} was started as {started}"
    for popover in _POPOVERS:
        st.session_state[popover] = False


def cancel(server: Orchestrator, run: FlowRun) -> None:
    if (who := access.actor()) is not None:
        server.cancel(who, run.id)
        st.session_state[_CHANGED] = f"{run.flow} is being cancelled, run {run.name}"


def repeat(server: Orchestrator, run: FlowRun) -> None:
    if (who := access.actor()) is not None:
        name = server.repeat(who, run.id, run.flow)
        st.session_state[_CHANGED] = f"{run.flow} was started again as {name}"


@frame.fragment(run_every=_LOOK)
def under_way(server: Orchestrator) -> None:
    """Prefect's runs: the running ones with their progress, the finished ones, and the next ones."""
    zone = sources.settings().night.timezone
    runs, coming = server.runs(), server.upcoming()
    if coming:
        soon = "; ".join(f"{plain(run.flow)} {formats.moment(run.expected, zone)}" for run in coming)
        st.caption(f"Next: {soon}")
    if told := st.session_state.get(_CHANGED):
        st.success(plain(told), icon=":material/done:")
    ours = [run for run in runs if run.under_way]
    for run in ours:
        running(server, run, zone)
    if not any(run.flow in ("nightly", "backfill") for run in ours):
        by_hand()
    if not runs:
        st.caption("No run yet.")
        return
    chosen = table(runs, zone)
    one(server, runs[chosen], zone)


def running(server: Orchestrator, run: FlowRun, zone: str) -> None:
    who = access.actor()
    with st.container(border=True):
        since = f"since {formats.moment(run.started, zone)}" if run.started else "waits"
        by = f", started by {plain(run.who)}" if run.who else ""
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{plain(run.flow)}** · {plain(run.name)} · {since}{by}", width="content")
            if who is not None and who.may("operator"):
                st.button(
                    "Cancel this run",
                    key=f"cancel-{run.id}",
                    icon=":material/cancel:",
                    on_click=frame.guarded(cancel),
                    args=(server, run),
                    disabled=run.state == "Cancelling",
                )
        if run.progress is None:
            st.caption(plain(run.state))
        else:
            st.progress(min(run.progress / 100, 1.0), plain(run.told) or f"{run.progress:.0f} %")


@frame.fragment(run_every=_LOOK)
def by_hand_only() -> None:
    """The same, where Prefect does not run."""
    by_hand()


def by_hand() -> None:
    """The nights that have begun and are not recorded, as storage tells: those of a terminal, too."""
    for one in sources.nights_under_way():
        units = formats.noun(one.units_left, "unit")
        left = f"{one.units_left:,} {units} left" if one.units_left else "the lines that follow are being planned"
        with st.container(border=True):
            st.markdown(f"**Night of {one.night}** · run {plain(one.run_id)}")
            st.progress(one.share, f"{one.text}; {left}")
            st.caption(f"If it stands still, it was stopped: `steelflow nightly --date {one.night}` continues it.")


def table(runs: list[FlowRun], zone: str) -> int:
    """The latest runs. Returns the number of the one that was ticked, else of the first. A tick stays with its run when
    others come above it."""
    names = [run.id for run in runs]
    ticked = st.session_state.get(_TICKED)
    usual = names.index(ticked) if ticked in names else 0
    with st.container(key="flow-runs"):
        state = _runs(runs, zone, usual)
    rows = state["selection"]["rows"]
    number = int(rows[0]) if rows and rows[0] < len(runs) else usual
    st.session_state[_TICKED] = names[number] if number else None  # who reads the latest run goes on to the next
    return number


def _runs(runs: list[FlowRun], zone: str, ticked: int) -> Any:
    text = st.column_config.TextColumn
    return st.dataframe(
        [
            {
                "flow": run.flow,
                "state": run.state,
                "run": run.name,
                "by": run.who or "schedule",
                "started": formats.moment(run.started, zone),
                "took": formats.duration(run.seconds) if run.started else formats.NOTHING,
                "message": run.message,
            }
            for run in runs
        ],
        hide_index=True,
        height=260,
        row_height=28,
        key=links.ticking("runs", (run.id for run in runs)),
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [ticked]}},
        column_config={
            "flow": text("Flow", width=90),
            "state": text("State", width=90),
            "run": text("Run", width=170),
            "by": text("By", width=90),
            "started": text("Started", width=100),
            "took": text("Took", width=90),
            "message": text("Message", width="large"),
        },
    )


def one(server: Orchestrator, run: FlowRun, zone: str) -> None:
    """A run: its message and its log, and a button to repeat it."""
    who = access.actor()
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(f"Log of {plain(run.name)}", anchor=False, width="content")
        if who is not None and who.may("operator") and not run.under_way and run.can_repeat:
            st.button(
                "Run it again",
                key=f"repeat-{run.id}",
                icon=":material/replay:",
                on_click=frame.guarded(repeat),
                args=(server, run),
                help="With the same parameters",
            )
    if run.message:
        st.caption(plain(run.message))
    lines = server.log(run.id, _LINES)
    if not lines:
        st.caption("No line yet.")
        return
    told = "\n".join(f"{formats.moment(line.at, zone)}  {line.level:<8} {line.text}" for line in lines)
    st.code(told, language=None, height=260, wrap_lines=True)
