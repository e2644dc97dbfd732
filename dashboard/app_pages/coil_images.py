"""The images of a coil, a page at a time."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any, cast

import polars as pl
import streamlit as st

from dashboard import formats, frame, links
from dashboard.app_pages import wrong
from dashboard.formats import plain
from dashboard.media import thumbnails
from steelflow.archive.fetch import ImageRef

_PAGE = 24


@frame.fragment()
def images(rows: pl.DataFrame, coil: str, night: dt.date, line: str) -> None:
    st.subheader("Images", anchor=False)
    labels = sorted(rows["label"].drop_nulls().unique())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        picked = st.pills(
            "Class",
            labels,
            selection_mode="multi",
            key="of",
            label_visibility="collapsed",
            format_func=lambda label: plain(formats.class_name(label)),
        )
        kept = _stretch(rows, coil)
        kept = kept.filter(pl.col("label").is_in(picked)) if picked else kept
        pages = max(1, -(-kept.height // _PAGE))
        page = 1 if pages == 1 else st.pagination(pages, key="page")
    part = kept.slice((page - 1) * _PAGE, _PAGE)
    references, captions, addresses = [], [], []
    for row in part.iter_rows(named=True):
        references.append(ImageRef(row["object_key"], row["member"], row["ordinal"]))
        captions.append(_caption(row))
        addresses.append(links.to("images", links.of_image(night, row, line)))
    shown = [{**row, "date": night, "line": line, "coil": coil} for row in part.iter_rows(named=True)]
    thumbnails.gallery(references, captions, addresses, below=wrong.below(shown, "coil"))


def _stretch(rows: pl.DataFrame, coil: str) -> pl.DataFrame:
    """The images of the selected part of the coil; all images if no part is selected."""
    known = rows["position"].drop_nulls()
    if known.n_unique() < 2:
        return rows
    ends = math.floor(cast(float, known.min())), math.ceil(cast(float, known.max()))
    first, last = st.slider("Metres from the head", *ends, ends, key=f"stretch {coil}", width=420)
    return rows if (first, last) == ends else rows.filter(pl.col("position").is_between(first, last))


def _caption(row: dict[str, Any]) -> str:
    if row["status"] != "ok":
        return "**unreadable**"
    where = f"  \n{row['position']:.1f} m" if row["position"] is not None else ""
    return f"**{plain(formats.class_name(str(row['label'])))}** {formats.share(row['confidence'], 0)}{where}"
