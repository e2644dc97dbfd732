"""Which model judged the images of a figure: every page says so, because the champion of today may be another one."""

from __future__ import annotations

import polars as pl
import streamlit as st

from dashboard import formats
from dashboard.data import figures
from dashboard.formats import plain


def judged_by(rows: pl.DataFrame) -> None:
    """A line with the models behind the figures. ``rows``: model, images, status; of summaries or of ``sources.daily``.
    Nothing if no image was judged."""
    if told := names(rows):
        st.caption(f"Judged by {plain(told)}.")


def names(rows: pl.DataFrame) -> str:
    """steelnet v2; or, if there are several: 2 models: steelnet v2 (87 %), steelnet v3 (13 %)."""
    found = figures.judged_by(rows)
    total = sum(found.values())
    if len(found) < 2:
        return next(iter(found), "")
    shares = ", ".join(f"{name} ({formats.share(number / total, 0)})" for name, number in found.items())
    return f"{len(found)} models: {shares}"
