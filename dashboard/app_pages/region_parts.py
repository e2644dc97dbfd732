"""Parts about regions of defect that several pages share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from dashboard import formats, links
from dashboard.app_pages import wrong
from dashboard.data import regions
from dashboard.formats import plain
from dashboard.media import boxes
from steelflow.records import Failure

_COLUMNS = 8
_HEADER, _ROW = 36, 28  # pixels


def gallery(rows: pl.DataFrame, page_size: int, key: str) -> None:
    """Crops of regions, a page at a time, each with a link to its frame."""
    pages = max(1, -(-rows.height // page_size))
    page = 1 if pages == 1 else min(st.pagination(pages, key=f"{key}-page"), pages)
    part = list(rows.slice((page - 1) * page_size, page_size).iter_rows(named=True))
    with st.spinner("Fetching frames …"):
        found = boxes.crops().get(part)
    with st.grid(_COLUMNS, min_column_width=120, gap="xsmall"):
        for number, (row, crop) in enumerate(zip(part, found, strict=True)):
            with st.container(gap=None):
                if isinstance(crop, Failure):
                    st.caption(f":material/broken_image: {plain(crop)[:120]}")
                else:
                    alt = f"{row['label']} in {row['member'] or row['object_key']}"
                    st.image(crop, width="stretch", alt=alt, link=links.to("images", address(row)))
                st.page_link(links.script("images"), label=_caption(row), query_params=address(row))
                wrong.button(row, f"{key}-wrong-{number}", short=True)


def address(row: Mapping[str, Any]) -> dict[str, str]:
    """The parameters with which the page Images shows a frame."""
    return links.of_image(row["date"], row)


def table(rows: pl.DataFrame, height: int, key: str) -> None:
    """The regions as a table: class, severity, place and size. A click on a row opens its frame. ``height``: pixels, at
    most."""
    shown = rows.select(
        pl.col("label").map_elements(formats.class_name, pl.String).alias("class"),
        pl.col("severity").fill_null(formats.NOTHING),
        pl.col("score").round(2),
        pl.col("along").round(2).alias("along, m"),
        pl.col("across_mm").round(0).alias("across, mm"),
        pl.col("length_mm").round(1).alias("length, mm"),
        pl.col("width_mm").round(1).alias("width, mm"),
        pl.col("area").alias("area, pixels"),
        pl.col("side").fill_null(formats.NOTHING),
        pl.col("camera").fill_null(formats.NOTHING),
        pl.coalesce("member", "object_key").str.split("/").list.last().alias("frame"),
    )
    state = st.dataframe(
        shown,
        height=min(height, _HEADER + _ROW * rows.height),
        row_height=_ROW,
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
    )
    number = links.row_of(state)
    if number is not None:
        st.switch_page(links.script("images"), query_params=address(rows.row(number, named=True)))


def _caption(row: Mapping[str, Any]) -> str:
    where = regions.place(row)
    severity = f" · {plain(row['severity'])}" if row["severity"] else ""
    text = f"**{plain(formats.class_name(row['label']))}** {row['score']:.2f}{severity}"
    return f"{text}  \n:small[{plain(where or regions.size(row))}]"
