"""Parts about the morning: whether the night can be trusted, and its report as a file."""

from __future__ import annotations

import datetime as dt
from functools import partial
from importlib.util import find_spec
from typing import Literal

import streamlit as st

from dashboard.data import coils, sources
from dashboard.formats import plain
from steelflow.morning.trust import Answer

_SHOWN: dict[Answer, tuple[Literal["green", "orange", "red"], str]] = {
    "yes": ("green", ":material/verified:"),
    "with care": ("orange", ":material/warning:"),
    "no": ("red", ":material/error:"),
}


def trust_line(night: dt.date) -> None:
    """One sentence: can I trust this night? All reasons are below it."""
    found = coils.trusted(night)
    colour, icon = _SHOWN[found.answer]
    _, _, rest = found.sentence.partition(": ")
    with st.expander(f"{icon} Can I trust this night? :{colour}[**{found.answer.capitalize()}:**] {plain(rest)}"):
        st.markdown(
            "\n".join(
                f"- :{_SHOWN[one.answer][0]}-badge[{one.answer}] {plain(one.about)}: {plain(one.text)}"
                for one in found.reasons
            )
        )


def report_buttons(night: dt.date) -> None:
    """The morning report as PDF, and as a page to read or print."""
    if find_spec("reportlab") is not None:  # an extra
        _download(night, ".pdf", "Morning report", "application/pdf")
    _download(night, ".html", "as a page", "text/html")


def _download(night: dt.date, suffix: str, label: str, mime: str) -> None:
    st.download_button(
        label,
        partial(coils.report_of, sources.settings(), night, suffix),
        file_name=f"morning-report-{night}{suffix}",
        mime=mime,
        icon=":material/picture_as_pdf:" if suffix == ".pdf" else ":material/article:",
        key=f"report{suffix}",
        on_click="ignore",
    )
