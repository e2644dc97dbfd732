"""One label for many images: the images that were ticked, and the form whose one button names their number and
class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import streamlit as st

from dashboard import formats, frame
from dashboard.app_pages import label_form
from dashboard.auth import access, labelling
from dashboard.auth.together import MOST, Together, label_together
from dashboard.data import images, sources
from dashboard.formats import plain
from dashboard.media import thumbnails
from steelflow.archive.fetch import ImageRef, fetch_images
from steelflow.records import Failure

_PICKED = "picked"  # of the session: what was ticked, and the choice of images that it was ticked in
_SHOWN = 12
Row = dict[str, Any]


def picked(within: object) -> dict[ImageRef, Row]:
    """What was ticked within a choice of images. Another choice begins with nothing."""
    kept = st.session_state.get(_PICKED)
    if kept is None or kept[0] != within:
        kept = st.session_state[_PICKED] = (within, {})
    found: dict[ImageRef, Row] = kept[1]
    return found


def tick(within: object, row: Row, key: str) -> None:
    """The checkbox of an image. It stays ticked on other pages of the gallery."""
    reference = images.reference(row)
    st.session_state[key] = reference in picked(within)
    st.checkbox(
        "Select",
        key=key,
        label_visibility="collapsed",
        on_change=_ticked,
        args=(within, row, key),
    )


def _ticked(within: object, row: Row, key: str) -> None:
    chosen, reference = picked(within), images.reference(row)
    if st.session_state[key]:
        chosen[reference] = row
    else:
        chosen.pop(reference, None)


def bar(within: object, page: Sequence[Row]) -> None:
    """The buttons for what was ticked. ``page``: the images on the screen."""
    chosen = picked(within)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("All of this page", key="pick-page", on_click=_all, args=(within, page))
        st.button("None", key="pick-none", on_click=chosen.clear, disabled=not chosen)
        button(list(chosen.values()), "pick-label")


def _all(within: object, page: Sequence[Row]) -> None:
    picked(within).update({images.reference(row): row for row in page if row["status"] == "ok"})


def button(rows: Sequence[Row], key: str, label: str = "Label the {number} selected …") -> None:
    """The button that opens the form for these images."""
    may = label_form.may_label()
    if st.button(
        label.format(number=formats.count(len(rows))),
        key=key,
        icon=":material/label:",
        type="primary",
        disabled=not rows or not may,
        help=None if may else label_form.why_not(),
    ):
        ask(list(rows))


@st.dialog("Label these images")
def ask(rows: list[Row]) -> None:
    frame.guarded(_ask)(rows)


def _ask(rows: list[Row]) -> None:
    if len(rows) > MOST:
        st.warning(f"{len(rows):,} images are selected. At most {MOST:,} are labelled at once.")
        return
    classes = labelling.offered(max(row["date"] for row in rows))
    references = [images.reference(row) for row in rows[:_SHOWN]]
    found = thumbnails.kept().get(references)
    with st.container(horizontal=True, gap="xsmall"):
        for reference in references:
            picture = found.get(reference)
            if isinstance(picture, bytes):
                st.image(picture, width=56, alt=reference.member or reference.key)
    if len(rows) > _SHOWN:
        st.caption(f"and {len(rows) - _SHOWN} more")
    name = label_form.choose(classes, "bulk-class")
    noun = formats.noun(len(rows), "image")
    words = "Label them" if name is None else f"Label {len(rows)} {noun} as {plain(formats.class_name(name))}"
    if st.button(words, type="primary", key="bulk-now", disabled=name is None) and name is not None:
        give(rows, name, classes)


def give(rows: list[Row], name: str, classes: list[str]) -> None:
    """Label them, and say so."""
    actor = access.actor()
    if actor is None:
        return

    def fetch(places: Sequence[ImageRef]) -> Iterable[tuple[ImageRef, bytes | Failure]]:
        return fetch_images(sources.archive(), places, sources.settings().limits)

    with st.spinner("Storing the images …"):
        done = label_together(
            actor,
            labelling.labels(),
            rows,
            fetch,
            name,
            classes,
            name not in classes,
            lambda row: labelling.verdict(row, name),
        )
    st.session_state.pop(_PICKED, None)
    frame.done(_told(done, actor.name), [*(f"not labelled: {one}" for one in done.missing[:5]), *done.remarks])
    st.rerun()


def _told(done: Together, who: str) -> str:
    noun = formats.noun(done.labelled, "image")
    text = f"{done.labelled} {noun} labelled as {formats.class_name(done.label)} by {who}."
    text += f" {done.changed} of them had another label before." if done.changed else ""
    text += f" {done.unchanged} had this label already." if done.unchanged else ""
    return text + (f" {len(done.missing)} cannot be read any more." if done.missing else "")
