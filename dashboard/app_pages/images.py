"""Images: single images of a night, and the reasons for their class."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import polars as pl
import streamlit as st

from dashboard import address, formats, frame
from dashboard.app_pages import bulk, image_grid, image_large
from dashboard.data import images, sources
from dashboard.data.images import Counts, Wanted
from dashboard.formats import plain
from steelflow.report.reader import ReportReader

_PAGE = 24
_ALL = "all"
_STATUS: dict[str, Literal["ok", "failed"] | None] = {_ALL: None, "readable": "ok", "unreadable": "failed"}


def show() -> None:
    frame.heading("Images", "single images, and the reasons for their class")
    nights = sources.nights()
    if not nights:
        frame.empty("No night was inspected yet", "Run `steelflow nightly` to inspect the last night.")
        return
    wanted = choice(nights)
    counts = counted(wanted)
    here = image_grid.shown(counts)
    if here is not None:
        image_large.show(wanted, counts, *here)
        return
    gallery(wanted, counts)


def choice(nights: list[dt.date]) -> Wanted:
    """The filters. All of them are in the address."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        names = [night.isoformat() for night in reversed(nights)]
        night = dt.date.fromisoformat(address.choose("Night", "night", names, names[0], 140))
        summary = sources.summary(night)
        lines = [_ALL, *sorted(summary["line"].drop_nulls().unique())]
        line = address.choose("Line", "line", lines, _ALL, 110, every=_ALL)
        of_line = summary if line == _ALL else summary.filter(pl.col("line") == line)
        coils = [_ALL, *sorted(of_line["coil"].drop_nulls().unique())]
        coil = address.choose("Coil", "coil", coils, _ALL, every=_ALL)
        address.write(night=night.isoformat(), line=None if line == _ALL else line, coil=None if coil == _ALL else coil)
        status = st.selectbox("Status", list(_STATUS), key="status", bind="query-params", width=130)
        order = st.selectbox("Order", images.ORDERS, key="order", bind="query-params", width=140)
        low, high = st.slider(
            "Confidence", 0, 100, (0, 100), format="%d %%", key="confidence", bind="query-params", width=190
        )
    classes = sorted(summary["label"].drop_nulls().unique())
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        labels = address.pills("Class", "label", classes, lambda name: plain(formats.class_name(name)))
        novel = st.toggle("Novel only", key="novel", bind="query-params", help="Unlike the training images")
    return Wanted(
        night,
        None if line == _ALL else line,
        None if coil == _ALL else coil,
        tuple(labels),
        _STATUS[status],
        novel,
        low / 100,
        high / 100,
        order,
    )


@st.cache_data(ttl=sources.STALE, max_entries=32, show_spinner="Counting images …")
def counted(wanted: Wanted) -> Counts:
    return images.count(ReportReader(sources.report()), sources.summary(wanted.night), wanted)


@st.cache_data(ttl=sources.STALE, max_entries=32, show_spinner=False)
def rows_of(wanted: Wanted, counts: Counts, offset: int, most: int) -> pl.DataFrame:
    return images.page(ReportReader(sources.report()), wanted, counts, offset, most)


def gallery(wanted: Wanted, counts: Counts) -> None:
    total = sum(counts.values())
    if not total:
        frame.empty("No image matches", "Remove a filter, or choose another night.")
        return
    pages = -(-total // _PAGE)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        legend = " · :material/fiber_new: unlike the training images"
        st.caption(f"**{formats.count(total)}** {formats.noun(total, 'image')}{legend}", width="content")
        picking = st.toggle("Select", key="select", persist_state="page", help="Label several images at once")
        page = min(st.pagination(pages, key="page", bind="query-params"), pages) if pages > 1 else 1
    found = rows_of(wanted, counts, (page - 1) * _PAGE, _PAGE)
    rows = [{**row, "date": wanted.night} for row in found.iter_rows(named=True)]
    if picking:
        bulk.bar(wanted, rows)
    image_grid.grid(rows, "look", wanted.night, wanted if picking else None)


show()
