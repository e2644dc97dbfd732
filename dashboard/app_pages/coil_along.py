"""A coil along its length, and beside its neighbours."""

from __future__ import annotations

import datetime as dt

import polars as pl
import streamlit as st

from dashboard import formats, links
from dashboard.charts import coil as charts_coil
from dashboard.charts import figures as charts
from dashboard.data import sources, strips


def go(coil: str) -> None:
    """Show another coil of the line."""
    st.session_state["coil"] = coil


def along(rows: pl.DataFrame, scale: tuple[float, float] | None, night: dt.date, line: str) -> None:
    shown, by_position = strips.placed(rows)
    st.subheader("Along its length", anchor=False)
    if by_position:
        st.caption(told(rows, shown))
    else:
        st.caption("The archive's keys have no position (see `archive.template`). Images are shown in order.")
    file = pl.coalesce("member", "object_key").str.split("/").list.last()
    named = shown.with_columns(file=file)
    state = st.altair_chart(
        charts_coil.strip(named, scale if by_position else None),
        alt="Images along the coil by class",
        on_select="rerun",
        key=f"strip-{night}-{line}-{rows['coil'][0]}",
    )
    mark = links.picked(state)
    if mark is not None and mark["number"] < named.height:
        row = named.row(int(mark["number"]), named=True)
        st.switch_page(links.script("images"), query_params=links.of_image(night, row, line))


def told(rows: pl.DataFrame, shown: pl.DataFrame) -> str:
    """Which part of the coil has images, and when they were taken."""
    first, last = (f"{shown['place'][end]:,.0f}" for end in (0, -1))
    left_out = rows.height - shown.height
    rest = f" {formats.count(left_out)} more have no position." if left_out else ""
    return f"Images from {first} to {last} m{since(rows)}.{rest}"


def since(rows: pl.DataFrame) -> str:
    times = rows["captured_at"].drop_nulls().sort()
    zone = sources.settings().night.timezone
    return f", taken from {formats.moment(times[0], zone)} on" if times.len() else ""


def beside(
    of_line: pl.DataFrame, names: list[str], coil: str, segments: pl.DataFrame, scale: tuple[float, float] | None
) -> None:
    st.subheader("Beside its neighbours", anchor=False)
    if scale is None:
        counts = of_line.filter(pl.col("coil").is_in(names)).group_by("coil", "label").agg(pl.col("images").sum())
        chart = charts.neighbours(counts, coil, names)
    else:
        st.caption("Coils at the same positions, with a lane for each class. Stronger colours mean more images.")
        chart = charts_coil.side_by_side(segments, coil, names, scale)
    key = f"beside-{coil}"
    st.altair_chart(
        chart, alt="Images by class of the neighbouring coils", key=key, on_select=_beside, selection_mode="pick"
    )


def _beside() -> None:
    """Go to the neighbour that was clicked."""
    for key in [key for key in st.session_state if str(key).startswith("beside-")]:
        mark = links.picked(st.session_state[key])
        if mark is not None:
            go(str(mark["coil"]))
