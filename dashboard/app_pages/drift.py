"""Drift: what changed against the model's reference, on which line, and since when."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import streamlit as st

from dashboard import address, formats, frame, links
from dashboard.app_pages import drift_actions, drift_spread, wrong
from dashboard.charts import drift as charts_drift
from dashboard.charts.drift import NO_LINE, VERDICTS
from dashboard.data import drifting, images, sources
from dashboard.data.drifting import Rows
from dashboard.formats import plain
from dashboard.media import thumbnails
from steelflow.drift.signals import SIGNALS
from steelflow.report.reader import ReportReader

_SPANS = {"14 nights": 14, "28 nights": 28, "90 nights": 90, "1 year": 366}
_PICTURES = 8
_BADGES = {"none": "green", "warn": "orange", "alarm": "red", "insufficient": "gray"}


def show() -> None:
    frame.heading("Drift", "what changed against the model's reference")
    nights = sources.nights()
    if not nights:
        frame.empty("No night was inspected yet", "Run `steelflow nightly`. It inspects the last night and checks it.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        span = st.selectbox("Span", list(_SPANS), index=1, key="span", bind="query-params", width=130)
        table = sources.drift(nights[-1] - dt.timedelta(days=_SPANS[span] - 1), nights[-1])
        if table.is_empty():
            frame.empty("No drift check in these nights", "Run `steelflow drift` or `steelflow nightly`.")
            return
        checked = [date.isoformat() for date in reversed(table["date"].unique().sort())]
        night = dt.date.fromisoformat(address.choose("Night", "night", checked, checked[0]))
        tonight = table.filter(pl.col("date") == night)
        lines = _worst_first(tonight)
        line = address.choose("Line", "line", lines, lines[0], 130)
        address.write(night=night.isoformat(), line=line)
        page = explanation(night)
        if page is not None:
            st.download_button(
                "Explanation of the night",
                page,
                f"drift-{night.isoformat()}.html",
                "text/html",
                icon=":material/download:",
                on_click="ignore",
                help="One page with charts and images; it opens in any browser, without a network",
            )
    here = tonight.filter(pl.col("line").fill_null(NO_LINE) == line)
    verdict(here)
    known = _accepted(here)
    drift_actions.show(table, here, night, known)
    left, right = st.columns((1, 1), gap="medium")
    with left:
        st.subheader("Every line, every night", anchor=False)
        st.altair_chart(
            charts_drift.verdicts(table.unique(["date", "line"], keep="first")),
            alt="Verdicts by line and night",
            key="verdicts",
            on_select=_clicked,
        )
        words(here)
    with right:
        of_line = table.filter((pl.col("line").fill_null(NO_LINE) == line) & pl.col("signal").is_not_null())
        st.subheader(f"Line {plain(line)}: share of the threshold", anchor=False)
        if of_line.is_empty():
            st.caption("No night of this line has been compared yet.")
        else:
            dark = st.context.theme.type == "dark"
            moved = charts_drift.moved(of_line, list(SIGNALS), dark)
            st.altair_chart(
                moved, alt="Signals of the line by night", key="moved", on_select=_clicked, selection_mode="pick"
            )
            st.caption("Blue: below the threshold. Orange: above it. Red: twice the threshold or more.")
        one_signal(table, here)
    reference_of = "" if known is None else str(known.get("at"))
    drift_spread.show(here, night, reference_of)
    pictures(night, here, reference_of)


def _accepted(here: pl.DataFrame) -> dict[str, Any] | None:
    line, digest = here.select("line", "model_digest").row(0)
    return drifting.accepted(sources.report(), digest, line) if digest else None


def _clicked() -> None:
    """Go to the night (and line) of the field that was clicked."""
    for chart in ("verdicts", "moved"):
        for name, value in (links.picked(st.session_state.get(chart) or {}) or {}).items():
            st.session_state[name] = value


def _worst_first(tonight: pl.DataFrame) -> list[str]:
    ranks = {"alarm": 0, "warn": 1, "none": 2}
    rows = tonight.unique("line", keep="first").with_columns(
        rank=pl.col("verdict").replace_strict(ranks, default=3, return_dtype=pl.Int32), name=pl.col("line")
    )
    return rows.sort("rank", "line", nulls_last=True)["line"].fill_null(NO_LINE).to_list()


def verdict(here: pl.DataFrame) -> None:
    row = here.row(0, named=True)
    word = VERDICTS.get(row["verdict"], ("no verdict", ""))[0]
    badge = f":{_BADGES.get(row['verdict'], 'gray')}-badge[{word}]"
    told = f"{badge} {plain(row['reason'] or '')}. {formats.count(row['images'])} readable images"
    if row["model_digest"]:
        told += f", judged by {plain(sources.model_named(row['model_digest']))}"
    if row["reference_images"]:
        told += f", {formats.count(row['reference_images'])} in the reference"
    if row["not_estimated"] is not None:
        told += f". Accuracy not estimated: {plain(row['not_estimated'])}"
    elif row["estimated_accuracy"] is not None:
        before = row["reference_estimate"]
        told += f". Estimated accuracy {formats.share(row['estimated_accuracy'])}"
        told += f", in the reference {formats.share(before)}" if before is not None else ""
        told += " (estimated from the confidence, without labels)"
    st.markdown(f"{told}.")


def words(here: pl.DataFrame) -> None:
    st.subheader("What changed", anchor=False)
    moved = here.filter(pl.col("breach").fill_null(False)).sort("share", descending=True)
    if moved.is_empty():
        st.caption("Nothing is over its threshold.")
        return
    said = [f"- **{row['share']:.1f}\u2009×** {plain(row['text'])}" for row in moved.iter_rows(named=True)]
    st.caption("In multiples of the threshold:")
    st.markdown("\n".join(said))


@frame.fragment()
def one_signal(table: pl.DataFrame, here: pl.DataFrame) -> None:
    """One signal of every line with its threshold; first the signal that changed most."""
    known = table["signal"].drop_nulls().unique()
    names = [name for name in SIGNALS if name in known]
    if not names:
        return
    first = here["signal"][0]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.subheader("One signal, every line", anchor=False, width="content")
        name = st.selectbox(
            "Signal",
            names,
            index=names.index(first) if first in names else 0,
            label_visibility="collapsed",
            format_func=lambda name: name.replace("_", " "),
            width=170,
        )
    chosen = table.filter(pl.col("signal") == name)
    st.altair_chart(charts_drift.signal(chosen, SIGNALS[name].unit), alt=f"{name} over the nights")
    mark = "Bar" if chosen["date"].n_unique() < 2 else "Dashed"
    st.caption(f"{mark}: the threshold of each line. Triangle: above the threshold.")


@frame.fragment()
def pictures(night: dt.date, here: pl.DataFrame, reference_of: str) -> None:
    """``reference_of``: when the reference was accepted, if somebody accepted one."""
    row = here.row(0, named=True)
    line, digest = row["line"], row["model_digest"]
    st.subheader("Images of the reference", anchor=False)
    known = before(line, digest, reference_of)
    if known:
        _gallery(known, "before")
    else:
        st.caption("This line has no reference yet.")
    st.subheader("Images of the night", anchor=False)
    _gallery(after(night, line, novel=False), "after")
    odd = after(night, line, novel=True)
    if odd:
        st.subheader("Images of the night that are unlike the training images", anchor=False)
        _gallery(odd, "odd")


def _gallery(rows: Rows, key: str) -> None:
    captions = [f"{plain(formats.class_name(row['label']))} {formats.share(row['confidence'], 0)}" for row in rows]
    addresses = [None if row["date"] is None else links.to("images", links.of_image(row["date"], row)) for row in rows]
    below = wrong.below(rows, key) if all(row["date"] is not None for row in rows) else None
    thumbnails.gallery([images.reference(row) for row in rows], captions, addresses, _PICTURES, below)


@st.cache_data(ttl=sources.STALE, max_entries=16, show_spinner=False)
def before(line: str | None, digest: str, reference_of: str) -> Rows:
    del reference_of  # part of the cache key: another reference is shown at once
    return drifting.before(sources.report(), sources.registry(), line, digest, _PICTURES)


@st.cache_data(ttl=sources.STALE, max_entries=16, show_spinner=False)
def after(night: dt.date, line: str | None, novel: bool) -> Rows:
    return drifting.after(ReportReader(sources.report()), night, line, _PICTURES, novel)


@st.cache_data(ttl=sources.STALE, max_entries=8, show_spinner=False)
def explanation(night: dt.date) -> bytes | None:
    return drifting.explanation(sources.report(), night)


show()
