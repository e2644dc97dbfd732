"""Defects: what was found, by class, line and date. The filters stand in the address."""

from __future__ import annotations

import datetime as dt

import polars as pl
import streamlit as st

from dashboard import charts, figures, formats, frame, sources
from dashboard.download import as_csv, as_parquet
from dashboard.figures import Unit

_RANGES = {"7 nights": 7, "28 nights": 28, "90 nights": 90, "1 year": 365}
_DATES = "From … to"


def show() -> None:
    frame.heading("Defects", "what was found, by class, line and night")
    nights = sources.nights()
    if not nights:
        frame.empty("No night was inspected yet", "`steelflow nightly` inspects the last one.")
        return
    everything = sources.daily(nights[-1])
    unit = Unit(sources.settings().dashboard.good_classes)
    daily = filtered(everything, nights)
    counted = figures.by_class(daily, unit, ("date", "line"))
    if daily.is_empty() or counted.is_empty():
        frame.empty("Nothing matches these filters", "Choose more nights, lines or classes.")
        return
    numbers(daily, unit)
    left, right = st.columns((3, 2), gap="medium")
    with left:
        trend(daily, unit)
        confidence(daily, unit)
    with right:
        pareto(daily, unit)
        st.subheader("Line × class", anchor=False)
        rates = figures.by_class(daily, unit, ("line",))
        st.altair_chart(charts.heat_map(rates, unit, 196), alt="Rate by line and class")
    download(counted)


def filtered(everything: pl.DataFrame, nights: list[dt.date]) -> pl.DataFrame:
    """The filters, in one row, and what they leave."""
    lines = sorted(everything["line"].drop_nulls().unique())
    labels = sorted(everything["label"].drop_nulls().unique())
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.segmented_control(
            "Nights", [*_RANGES, _DATES], default="28 nights", key="range", bind="query-params", required=True
        )
        first, last = nights[0], nights[-1]
        if chosen in _RANGES:
            first = last - dt.timedelta(days=_RANGES[chosen] - 1)
        else:
            first = _date("From", "from", nights[0], nights)
            last = _date("To", "to", nights[-1], nights)
        only = st.multiselect("Lines", lines, key="lines", bind="query-params", placeholder="all", width=220)
        classes = st.multiselect(
            "Classes",
            labels,
            key="classes",
            bind="query-params",
            placeholder="all",
            format_func=formats.class_name,
            width=300,
        )
    kept = figures.chosen(everything, first, last, only)
    # Unreadable images and the coils' number stay: what is chosen is compared with all that was looked at.
    return (
        kept
        if not classes
        else kept.with_columns(
            images=pl.when(pl.col("label").is_null() | pl.col("label").is_in(classes)).then("images").otherwise(0),
            coils=pl.when(pl.col("label").is_null() | pl.col("label").is_in(classes)).then("coils").otherwise(0),
        )
    )


def _date(label: str, key: str, usual: dt.date, nights: list[dt.date]) -> dt.date:
    picked: dt.date = st.date_input(
        label, usual, nights[0], nights[-1], key=key, bind="query-params", format="YYYY-MM-DD", width=125, required=True
    )
    return picked


def numbers(daily: pl.DataFrame, unit: Unit) -> None:
    rates = figures.nightly(daily, unit)
    found, ok, failed = figures.totals(daily)
    defects, coils = int(rates["defects"].sum()), int(rates["coils"].sum())
    base = coils if unit.per_coil else ok
    one, two, three, four, five = st.columns(5, gap="small")
    one.metric("Nights", formats.count(rates.height), border=True)
    two.metric("Coils", formats.count(coils), border=True)
    three.metric("Readable images", formats.count(ok), border=True)
    four.metric(unit.name.capitalize(), unit.text(defects / base if base else None), border=True)
    five.metric("Unreadable", formats.share(failed / found if found else None, 2), border=True)


@frame.fragment()
def trend(daily: pl.DataFrame, unit: Unit) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Trend", anchor=False, width="content")
        by = st.segmented_control(
            "By", ["by class", "by line"], default="by class", key="by", required=True, label_visibility="collapsed"
        )
    if by == "by class":
        st.altair_chart(charts.trend(figures.by_class(daily, unit), unit, 232), alt="Rate per night by class")
    else:
        st.altair_chart(charts.lines(figures.nightly(daily, unit, ("line",)), unit, 232), alt="Rate per night by line")


@frame.fragment()
def pareto(daily: pl.DataFrame, unit: Unit) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Pareto", anchor=False, width="content")
        of = st.segmented_control(
            "Of", ["images", "coils"], default="images", key="of", required=True, label_visibility="collapsed"
        )
    totals = figures.by_class(daily, unit, ())
    st.altair_chart(charts.pareto(totals.with_columns(images=of), of, 232), alt=f"{of} by class, most first")


def confidence(daily: pl.DataFrame, unit: Unit) -> None:
    st.subheader("How sure the model was", anchor=False)
    seen = figures.by_class(daily, unit).filter(pl.col("images") > 0)
    st.altair_chart(charts.confidence(seen, 196), alt="Mean confidence per night by class")


def download(counted: pl.DataFrame) -> None:
    """The figures behind the charts, by night, line and class."""
    shown = counted.filter(pl.col("images") > 0)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Download what is shown, {formats.count(shown.height)} rows:", width="content")
        st.download_button(
            "CSV", lambda: as_csv(shown), "defects.csv", "text/csv", on_click="ignore", icon=":material/download:"
        )
        st.download_button(
            "Parquet",
            lambda: as_parquet(shown),
            "defects.parquet",
            "application/vnd.apache.parquet",
            on_click="ignore",
            icon=":material/download:",
        )
    with st.expander("The figures by night, line and class", icon=":material/table:"):
        st.dataframe(shown, height=320, hide_index=True, key="figures")


show()
