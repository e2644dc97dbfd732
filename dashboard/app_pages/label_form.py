"""The choice of a class in a form, on any page: one that is offered, or a new one that is meant to be new."""

from __future__ import annotations

import streamlit as st

from dashboard import formats
from dashboard.auth import access
from dashboard.formats import plain

_NEEDED = "To label images you need the role labeller."


def may_label() -> bool:
    actor = access.actor()
    return actor is not None and actor.may("labeller")


def why_not() -> str:
    """What the help of a disabled button says."""
    return _NEEDED


def choose(classes: list[str], key: str) -> str | None:
    """The class that was chosen; None until one is, or until a new one was confirmed."""
    name = st.selectbox(
        "The right class",
        classes,
        index=None,
        key=key,
        placeholder="choose a class, or type a new one",
        format_func=formats.class_name,
        accept_new_options=True,
    )
    name = None if name is None else name.strip()
    if not name or name in classes:
        return name or None
    sure = st.checkbox(f"{plain(name)} is a new class", key=f"{key}-new")
    st.caption("A retraining adds a new class to the model if it has enough images.")
    return name if sure else None
