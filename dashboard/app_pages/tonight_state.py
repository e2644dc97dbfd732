"""Tonight, first of all: whether images came, how the night ended, and what a person should read before the figures."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import streamlit as st

from dashboard import formats, frame, links
from dashboard.auth.orchestrator import OrchestratorDown, orchestrator
from dashboard.data import sources
from dashboard.data.silence import silent_nights
from dashboard.formats import in_badge, plain
from steelflow.report.record import RunRecord

_STATES: dict[str, Literal["green", "orange", "red", "gray"]] = {
    "complete": "green",
    "incomplete": "red",
    "empty": "red",
    "limited": "orange",
    "failed units": "red",
}
_SIZES = 3  # sizes of images in a warning
_LOOK = 10.0  # seconds


def silence(reported: list[dt.date], latest: bool) -> None:
    """Say in red that images stopped coming. ``latest``: the page shows the latest night, not an earlier one."""
    if not latest or not reported:
        return
    number = silent_nights(sources.settings().night, reported[-1], dt.datetime.now(dt.UTC))
    if not number:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="silence"):
        nights = f"{number} {formats.noun(number, 'night')}"
        st.badge(f"no images for {nights}", color="red", icon=":material/error:")
        st.caption(
            f"The last night with images is {formats.night(reported[-1])}. Check the cameras, the copying to the "
            "archive, and whether `steelflow up` runs.",
            width="content",
        )


def warnings(record: RunRecord | None) -> None:
    """What a person should read before the figures."""
    if record is None:
        return
    if record.judged_whole:
        most = sorted(record.judged_whole.items(), key=lambda item: -item[1])[:_SIZES]
        told = ", ".join(f"{formats.count(number)} of {size} pixels" for size, number in most)
        st.warning(
            f"Images much larger than the model's pictures were judged as a whole: {plain(told)}. Small defects are "
            "lost in them. Set `[frame]` in the settings, then they are judged in views at full resolution.",
            icon=":material/warning:",
        )
    for note in record.notes:
        st.warning(plain(note[0].upper() + note[1:]), icon=":material/info:")


@frame.fragment(run_every=_LOOK)
def state(record: RunRecord | None, night: dt.date | None = None) -> None:
    """One row: how the night ended, or the progress of the running night."""
    zone = sources.settings().night.timezone
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if record is not None:
            shown = record.state
            st.badge(in_badge(f"night {shown}"), color=_STATES.get(shown, "gray"), icon=_icon(shown))
            if record.dropped:
                gone = ", ".join(str(line) for line in record.dropped)
                st.badge(in_badge(f"reports dropped: {gone}"), color="red", icon=":material/delete:")
            ended = "finished" if shown == "complete" else "ended"
            text = f"{ended} {formats.moment(record.finished_at, zone)} in {formats.duration(record.seconds)}"
            if record.judged and record.seconds:
                text += f", {formats.count(record.judged / record.seconds)} images/s"
            if lines := [line for line in record.lines if line is not None]:
                text += f"; lines {plain(', '.join(lines))}"
            st.caption(text, width="content")
            if failed := record.units.failed:
                units = formats.noun(len(failed), "work unit")
                st.caption(plain(f"{len(failed)} {units} failed; run the night again. First: {failed[0]}"))
            with st.container(key="screen-run", width="content"):
                st.page_link(links.script("runs"), label="The run", query_params={"tab": "Nights"})
        elif night is not None:
            st.badge("no record of this night", color="orange", icon=":material/warning:")
        under_way(zone)


def under_way(zone: str) -> None:
    """The running night, from Prefect. Shows nothing without Prefect."""
    server = orchestrator(sources.settings())
    if server is None:
        return
    try:
        running = [run for run in server.runs(10) if run.flow == "nightly" and run.under_way]
    except OrchestratorDown:
        st.badge("Prefect does not answer", color="orange", icon=":material/cloud_off:")
        return
    for run in running[:1]:
        st.badge(in_badge(f"{run.name}: {run.state.lower()}"), color="blue", icon=":material/progress_activity:")
        st.caption(f"since {formats.moment(run.started, zone)}", width="content")
        if run.progress is not None:
            st.progress(min(run.progress / 100, 1.0), f"{run.progress:.0f}\u2009%", width=220)


def _icon(state: str) -> str:
    return ":material/check_circle:" if state == "complete" else ":material/warning:"
