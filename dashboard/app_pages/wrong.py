""" "This is wrong", wherever an image is shown: the form that labels it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import formats, frame
from dashboard.app_pages import label_form
from dashboard.auth import access, actions, labelling
from dashboard.data import images, regions
from dashboard.formats import plain
from dashboard.media import pictures, thumbnails
from steelflow.records import Failure

Row = Mapping[str, Any]


def button(row: Row, key: str, short: bool = False) -> None:
    """The button that opens the form. ``row``: the image's reference, line, date and coil; of a region also its box.

    ``short`` shows an icon alone, for a place below a thumbnail. An image that could not be read has no class: no
    button.
    """
    if row.get("status", "ok") != "ok":
        return
    may = label_form.may_label()
    if st.button(
        "" if short else "This is wrong",
        key=key,
        icon=":material/flag:",
        type="tertiary" if short else "secondary",
        disabled=not may,
        help="This is wrong: give the right class" if may else label_form.why_not(),
    ):
        ask(dict(row))


def below(rows: Sequence[Row], key: str) -> Callable[[int], None]:
    """The button below each picture of ``thumbnails.gallery``."""
    return lambda number: button(rows[number], f"{key}-wrong-{number}", short=True)


@st.dialog("This is wrong")
def ask(row: dict[str, Any]) -> None:
    frame.guarded(_ask)(row)


def _ask(row: dict[str, Any]) -> None:
    reference = images.reference(row)
    picture = thumbnails.kept().get([reference]).get(reference, Failure("missing", "no longer in the archive"))
    with st.container(horizontal=True, vertical_alignment="center"):
        if isinstance(picture, bytes):
            st.image(picture, width=120, alt="The image to label")
        says = plain(formats.class_name(row["label"]))
        what = "region" if regions.box(row) is not None else "image"
        st.markdown(f"The model says of this {what}: **{says}**  \n:small[{plain(reference.member or reference.key)}]")
    classes = labelling.offered(row["date"])
    name = label_form.choose(classes, "wrong-class")
    if st.button("Label it", type="primary", key="wrong-now", disabled=name is None) and name is not None:
        give(row, name, classes)


def give(row: Row, name: str, classes: list[str]) -> None:
    """Label the image or region, and say so."""
    actor = access.actor()
    if actor is None:
        return
    data = pictures.full(images.reference(row))
    if isinstance(data, Failure):
        st.error(f"The image is no longer in the archive and cannot be labelled: {plain(data)}")
        return
    box, how = regions.box(row), labelling.verdict(row, name)
    said = actions.label(actor, labelling.labels(), row, data, name, classes, name not in classes, box, how)
    before = f" {said.by} had said {formats.class_name(said.before)}." if said.before not in (None, name) else ""
    frame.done(f"Labelled as {formats.class_name(name)} by {actor.name}.{before}", said.remarks)
    st.rerun()
