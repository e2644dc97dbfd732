"""Thumbnails of the page Images, each of which opens its image."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import formats, frame, links
from dashboard.app_pages import bulk, wrong
from dashboard.data import images
from dashboard.data.images import Counts, Wanted
from dashboard.formats import plain
from dashboard.media import thumbnails
from steelflow.archive.fetch import ImageRef
from steelflow.records import Failure

_COLUMNS = 8
_HERE = ("object", "member", "ordinal", "of")  # parameters of the address: the image that is shown large


def grid(rows: list[dict[str, Any]], key: str, night: dt.date, picking: Wanted | None = None) -> None:
    """Thumbnails, each with a button below. Both show the image large. With ``picking``, the choice of images that is
    shown, each has a box to tick it."""
    references = [images.reference(row) for row in rows]
    with st.spinner("Fetching images …"):
        found = thumbnails.kept().get(references)
    with st.grid(_COLUMNS, min_column_width=96, gap="xsmall"):
        for number, (row, reference) in enumerate(zip(rows, references, strict=True)):
            with st.container(gap=None):
                picture = found.get(reference, Failure("missing", "no longer in the archive"))
                if isinstance(picture, Failure):
                    st.caption(f":material/broken_image: {plain(picture)[:120]}")
                else:
                    link = links.to("images", links.of_image(night, row))
                    st.image(picture, width="stretch", alt=reference.member or reference.key, link=link)
                st.button(
                    caption(row),
                    key=f"{key}-{number}",
                    type="tertiary",
                    on_click=frame.guarded(go),
                    args=(reference, row["line"]),
                    help=plain(reference.member or reference.key),
                )
                with st.container(horizontal=True, gap="xxsmall", vertical_alignment="center"):
                    if picking is not None and row["status"] == "ok":
                        bulk.tick(picking, row, f"{key}-tick-{number}")
                    wrong.button({**row, "date": night}, f"{key}-wrong-{number}", short=True)


def caption(row: Mapping[str, Any]) -> str:
    if row["status"] != "ok":
        return f"unreadable: {plain(str(row['error']).partition(':')[0])}"
    mark = ":material/fiber_new: " if row.get("novel") else ""
    return f"{mark}{plain(formats.class_name(row['label']))} **{formats.share(row['confidence'], 0)}**"


def go(image: ImageRef | None, line: str | None = None) -> None:
    """Show an image large; with None, show the gallery again."""
    for name in _HERE:
        st.query_params.pop(name, None)
    if image is not None:
        st.query_params["object"] = image.key
        st.query_params["ordinal"] = str(image.ordinal)
        if image.member is not None:
            st.query_params["member"] = image.member
        if line is not None:
            st.query_params["of"] = line


def shown(counts: Counts) -> tuple[ImageRef, str | None] | None:
    """The image that the address names, and its line."""
    asked = st.query_params
    if "object" not in asked:
        return None
    ordinal = asked.get("ordinal", "0")
    number = int(ordinal) if ordinal.isdecimal() and len(ordinal) < 10 else 0
    line = asked.get("of")
    if line is None and len(counts) == 1:
        line = next(iter(counts))
    return ImageRef(asked["object"], asked.get("member"), number), line
