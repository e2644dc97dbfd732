"""How the figures behind the signals are spread on a night, against the reference."""

from __future__ import annotations

import datetime as dt

import polars as pl
import streamlit as st

from dashboard import frame
from dashboard.charts import drift as charts_drift
from dashboard.data import distributions, drifting, sources
from steelflow.report.reader import ReportReader

_COLUMNS = 4
_NAMES = {"label": "class"}  # the others have the names of their signals


@frame.fragment()
def show(here: pl.DataFrame, night: dt.date, reference_of: str) -> None:
    """``here``: the drift table's rows of the line and night; ``reference_of``: when the reference was accepted, if
    somebody accepted one."""
    row = here.row(0, named=True)
    st.subheader("The night against the reference", anchor=False)
    found = spread(night, row["line"], row["model_digest"], reference_of)
    if not found:
        st.caption("This line has no reference yet.")
        return
    moved = set(here.filter(pl.col("breach").fill_null(False))["signal"])
    order = sorted(found, key=lambda column: not moved & set(distributions.columns()[column]))
    with st.grid(_COLUMNS, min_column_width=230, gap="small"):
        for column in order:
            signals = distributions.columns()[column]
            over = [name.replace("_", " ") for name in signals if name in moved]
            with st.container(gap=None):
                which = "" if over == [column] else f"{', '.join(over)} "
                badge = f" :red-badge[{which}over the threshold]" if over else ""
                st.markdown(f"**{_NAMES.get(column, column)}**{badge}")
                st.altair_chart(
                    charts_drift.distribution(found[column]), alt=f"{column}: reference and night", key=column
                )
    st.caption(
        "Shares of the images. Grey: the reference. Orange: the night. The outermost bars also hold the images beyond "
        "them."
    )


@st.cache_data(ttl=sources.STALE, max_entries=8, show_spinner=False)
def spread(night: dt.date, line: str | None, digest: str, reference_of: str) -> dict[str, pl.DataFrame]:
    """The distributions of each column that has figures on both sides. Empty without a reference. ``reference_of`` is
    a part of the cache key: another reference is shown at once."""
    del reference_of
    reference = drifting.reference(sources.report(), sources.registry(), line, digest)
    if reference is None:
        return {}
    figures = distributions.night_figures(ReportReader(sources.report()), night, line, digest)
    made = {name: distributions.distribution(name, reference, figures) for name in distributions.columns()}
    return {name: frame for name, frame in made.items() if not frame.is_empty()}
