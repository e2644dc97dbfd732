"""A night as a map: each point is an image, near to those that are alike for the model. A click opens the image."""

from __future__ import annotations

import datetime as dt

import polars as pl
import streamlit as st

from dashboard import address, formats, links
from dashboard.charts import models as charts_models
from dashboard.charts.drift import NO_LINE
from dashboard.data import embedding, sources
from dashboard.formats import plain
from steelflow.report.reader import ReportReader


def show() -> None:
    nights = sources.nights()
    if not nights:
        st.caption("No night was inspected yet.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        names = [night.isoformat() for night in reversed(nights)]
        night = dt.date.fromisoformat(address.choose("Night", "night", names, names[0], 140))
        summary = sources.summary(night)
        lines = [NO_LINE if line is None else line for line in sorted(summary["line"].unique(), key=str)]
        name = address.choose("Line", "line", lines, lines[0], 130)
        address.write(night=night.isoformat(), line=name)
    line = None if name == NO_LINE else name
    found = points(night, line)
    if found.is_empty():
        st.caption("These images have no embeddings.")
        return
    chart = charts_models.embedding(found)
    state = st.altair_chart(
        chart,
        alt=f"Map of {found.height} images",
        key=f"map-{night}-{name}",
        on_select="rerun",
        selection_mode="pick",
    )
    mark = links.picked(dict(state))
    if mark is not None:
        row = found.row(int(mark["number"]), named=True)
        st.switch_page(links.script("images"), query_params=links.of_image(night, row, line))
    of_all = f"{formats.count(found.height)} of {formats.count(embedding.total_of(summary, line))}"
    judged = sources.model_named(found["model_digest"][0])
    st.caption(
        f"{of_all} images of {plain(name)}, always the same ones, judged by {plain(judged)}. Triangles: "
        f"{formats.count(int(found['novel'].sum()))} that are unlike the training images. The two directions have "
        f"{formats.share(found['explained'][0], 0)} of the variance (principal components). Click a point to see its "
        "image."
    )


@st.cache_data(ttl=sources.STALE, max_entries=8, show_spinner="Drawing the map …")
def points(night: dt.date, line: str | None) -> pl.DataFrame:
    total = embedding.total_of(sources.summary(night), line)
    return embedding.points(ReportReader(sources.report()), night, line, total)
