"""The tools above an image that is shown large: one image back or on, the original file, and "this is wrong"."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import formats, frame
from dashboard.app_pages import image_grid, wrong
from dashboard.data import images, sources, steps
from dashboard.data.images import Counts, Wanted
from dashboard.data.steps import Around, Row
from dashboard.media import originals
from dashboard.media.pictures import Encoded
from steelflow.archive.fetch import ImageRef
from steelflow.report.reader import ReportReader


def back() -> None:
    st.button(
        "Back to the gallery",
        icon=":material/arrow_back:",
        type="tertiary",
        shortcut="Esc",
        on_click=frame.guarded(image_grid.go),
        args=(None,),
    )


def show(wanted: Wanted, counts: Counts, row: dict[str, Any], image: ImageRef, data: Encoded) -> None:
    near = around(wanted, counts, row["line"], image)
    with frame.on_screen("steps"):
        back()
        _step("Previous", ":material/chevron_left:", "Left", None if near is None else near.before)
        _step("Next", ":material/chevron_right:", "Right", None if near is None else near.after)
        st.caption(_place(near, counts), width="content")
        if isinstance(data, bytes):
            st.download_button(
                "Original",
                data,
                originals.name_of(image, data),
                originals.type_of(data),
                icon=":material/download:",
                on_click="ignore",
                key="original",
                help="The file as the camera wrote it",
            )
        wrong.button({**row, "date": wanted.night}, "wrong-large")


def _step(label: str, icon: str, key: str, row: Row | None) -> None:
    st.button(
        label,
        icon=icon,
        shortcut=key,
        key=f"step-to-{label.lower()}",
        disabled=row is None,
        on_click=frame.guarded(image_grid.go),
        args=(None, None) if row is None else (images.reference(row), row["line"]),
    )


def _place(near: Around | None, counts: Counts) -> str:
    if near is None:
        return "not among the images that the filters choose"
    return f"{formats.count(near.place)} of {formats.count(sum(counts.values()))}"


@st.cache_data(ttl=sources.STALE, max_entries=32, show_spinner=False)
def around(wanted: Wanted, counts: Counts, line: str | None, image: ImageRef) -> Around | None:
    return steps.around(ReportReader(sources.report()), wanted, counts, line, image)
