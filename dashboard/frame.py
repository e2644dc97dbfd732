"""Shared by every page: the heading, empty states, and a guard that never shows a traceback."""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import ParamSpec

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.data import sources
from dashboard.formats import plain
from steelflow.errors import (
    AccessDenied,
    BucketNotFound,
    ConfigError,
    ReportError,
    SteelflowError,
    StoreError,
    StoreUnreachable,
)

_DONE = "done"  # what the last action says at the top of the page
_P = ParamSpec("_P")
_log = logging.getLogger("steelflow.dashboard")


def guarded(show: Callable[_P, None]) -> Callable[_P, None]:
    """``show``, with every error shown in one line: our errors with advice, any other error with a number that is also
    in the log."""

    @functools.wraps(show)
    def safely(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            show(*args, **kwargs)
        except SteelflowError as exc:
            if isinstance(exc, StoreUnreachable):
                sources.forget_addresses()
            st.error(f"{plain(exc)}\n\n{_advice(exc)}".strip(), icon=":material/error:")
        except Exception:  # noqa: BLE001  the page must show every error in one line
            number = secrets.token_hex(3)
            _log.exception("error %s", number)
            st.error(
                f"An error occurred. The log has the reason under the number **{number}**.",
                icon=":material/error:",
            )

    return safely


def fragment(run_every: float | None = None) -> Callable[[Callable[_P, None]], Callable[_P, None]]:
    """A part of a page that reruns by itself (every ``run_every`` seconds), with the same guard as the page."""

    def made(show: Callable[_P, None]) -> Callable[_P, None]:
        part: Callable[_P, None] = st.fragment(guarded(show), run_every=run_every)
        return part

    return made


def heading(title: str, about: str = "") -> None:
    """The page's title and a description. ``about`` is Markdown: escape texts from outside."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.title(title, anchor=False, width="content")
        if about:
            st.caption(about, width="content")
    if told := st.session_state.pop(_DONE, None):
        text, remarks = told
        st.success(plain(text), icon=":material/check_circle:")
        for remark in remarks:
            st.warning(plain(remark), icon=":material/info:")


def on_screen(name: str) -> DeltaGenerator:
    """A row of things to press, with what is said about them. Paper does not show it."""
    return st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"screen-{name}")


def done(text: str, remarks: Sequence[str] = ()) -> None:
    """What an action did, for the top of the page when it runs next; and what a person should know of it."""
    st.session_state[_DONE] = text, tuple(remarks)


def empty(what: str, to_do: str) -> None:
    """An empty state: what is missing, and what to do. Both are Markdown."""
    with st.container(border=True, horizontal_alignment="center"):
        st.space("small")
        st.markdown(f"#### {what}", text_alignment="center")
        st.markdown(to_do, text_alignment="center")
        st.space("small")


def _advice(error: SteelflowError) -> str:
    match error:
        case AccessDenied():
            return "Check the storage credentials of the dashboard."
        case BucketNotFound():
            return "Nothing was inspected yet, or `report.uri` is wrong. `steelflow doctor` tells more."
        case StoreError():
            return "The storage does not answer. `steelflow doctor` tells more. Then load this page again."
        case ReportError():
            return "Inspect a night with `steelflow nightly`. Its reports appear here within a minute."
        case ConfigError():
            return "`steelflow config show` prints the settings."
        case _:
            return ""
