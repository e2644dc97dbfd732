"""Defects by class, line and date. The filters are in the address."""

from __future__ import annotations

import datetime as dt

import polars as pl
import streamlit as st

from dashboard import address, formats, frame
from dashboard.app_pages import model_parts, region_parts
from dashboard.charts import figures as charts
from dashboard.charts import regions as charts_regions
from dashboard.data import figures, regions, sources
from dashboard.data.download import as_csv, as_parquet
from dashboard.formats import plain
from steelflow.report.daily import daily_of_coils
from steelflow.report.rates import RateUnit

_RANGES = {"7 nights": 7, "28 nights": 28, "90 nights": 90, "1 year": 365}
_REGION_NIGHTS = 7  # nights whose regions are read
_CROPS = 16
_DATES = "From … to"
_BANDS = ("< 50", "50–70", "70–90", "90–99", "≥ 99")  # percent: the bands of report.summary.BANDS


def show() -> None:
    frame.heading("Defects", "by class, line and night")
    nights = sources.nights()
    if not nights:
        frame.empty("No night was inspected yet", "Run `steelflow nightly` to inspect the last night.")
        return
    everything = sources.daily(nights[-1])
    daily, split = filtered(everything, nights)
    unit = figures.unit(daily)
    counted = figures.by_class(daily, unit, ("date", "line"))
    if daily.is_empty() or counted.is_empty():
        frame.empty("Nothing matches these filters", "Remove or widen a filter.")
        return
    numbers(daily, unit)
    model_parts.judged_by(daily)
    left, right = st.columns((3, 2), gap="medium")
    with left:
        trend(daily, unit)
        confidence(daily, unit)
    with right:
        pareto(daily, unit, split)
        st.subheader("Line × class", anchor=False)
        rates = figures.by_class(daily, unit, ("line",)).filter("defect")
        st.altair_chart(charts.heat_map(rates, unit, 180), alt="Rate by line and class")
    of_regions(daily)
    download(counted.drop("coils") if split else counted)


def filtered(everything: pl.DataFrame, nights: list[dt.date]) -> tuple[pl.DataFrame, bool]:
    """The filtered rows, and whether a confidence band or a model was chosen: coils are not counted by these."""
    lines = sorted(everything["line"].drop_nulls().unique())
    labels = sorted(everything["label"].drop_nulls().unique())
    models = sorted(everything["model"].drop_nulls().unique())
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.segmented_control(
            "Nights", [*_RANGES, _DATES], default="28 nights", key="range", bind="query-params", required=True
        )
        if chosen in _RANGES:
            names = [night.isoformat() for night in reversed(nights)]
            last = dt.date.fromisoformat(address.choose("Up to", "night", names, names[0], 130))
            first = last - dt.timedelta(days=_RANGES[chosen] - 1)
            address.write(night=last.isoformat())
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
        sure = st.segmented_control(
            "Confidence, in percent", _BANDS, selection_mode="multi", key="sure", bind="query-params"
        )
        versions = st.multiselect("Model", models, key="model", bind="query-params", placeholder="all", width=220)
        beginning = address.typed("Coil", "coil", "starts with …", 150)
    # The aggregates do not have the coils, which are thousands a month. The summaries of the nights have them.
    kept = of_coils(beginning, first, last) if beginning else figures.chosen(everything, first, last)
    kept = figures.chosen(kept, lines=only)
    bands = [_BANDS.index(one) for one in sure]
    known = figures.known(kept, bool(bands), bool(versions))
    if known.height < kept.height:
        missing = int(kept["images"].sum()) - int(known["images"].sum())
        st.caption(f"{formats.count(missing)} images are left out: their summaries do not have the filtered columns.")
    return figures.picked(known, classes, bands, versions), bool(bands or versions)


@st.cache_data(ttl=sources.STALE, max_entries=8, show_spinner="Searching the coils …")
def of_coils(beginning: str, first: dt.date, last: dt.date) -> pl.DataFrame:
    return daily_of_coils(sources.report(), beginning, first, last)


def _date(label: str, key: str, usual: dt.date, nights: list[dt.date]) -> dt.date:
    # A date that equals the widget's own default would not be in the address, and tomorrow mean another one.
    if key not in st.session_state and key not in st.query_params:
        st.session_state[key] = usual
    picked = st.date_input(
        label, None, nights[0], nights[-1], key=key, bind="query-params", format="YYYY-MM-DD", width=125
    )
    return picked or usual


def numbers(daily: pl.DataFrame, unit: RateUnit) -> None:
    rates = figures.nightly(daily, unit)
    found, ok, failed = figures.totals(daily)
    chosen = int(daily.filter((pl.col("status") == "ok") & pl.col("chosen"))["images"].sum())
    rate = rates.select(unit.rate(*(pl.col(name).sum() for name in ("defects", "ok", "strip")))).item()
    coils = int(rates["coils"].sum())
    with st.grid(6, min_column_width=150, gap="small"):
        st.metric("Nights", formats.count(rates.height), border=True)
        st.metric("Coils", formats.count(coils), border=True)
        st.metric("Readable images", formats.count(ok), border=True)
        st.metric("Of these chosen", formats.count(chosen), border=True, help="By class and confidence")
        if unit.whole:
            st.metric(unit.name.capitalize(), unit.text(rate), border=True)
        else:
            kinds = figures.by_class(daily, unit, ()).filter(pl.col("images") > 0).height
            st.metric("Defect classes", formats.count(kinds), border=True, help="The models have no good classes")
        st.metric("Unreadable", formats.share(failed / found if found else None, 2), border=True)


@frame.fragment()
def trend(daily: pl.DataFrame, unit: RateUnit) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Trend", anchor=False, width="content")
        by = st.segmented_control(
            "By", ["by class", "by line"], default="by class", key="by", required=True, label_visibility="collapsed"
        )
    if by == "by class":
        st.altair_chart(
            charts.trend(figures.by_class(daily, unit).filter("defect"), unit, 244), alt="Rate per night by class"
        )
    else:
        st.altair_chart(charts.lines(figures.nightly(daily, unit, ("line",)), unit, 244), alt="Rate per night by line")


@frame.fragment()
def pareto(daily: pl.DataFrame, unit: RateUnit, split: bool) -> None:
    of = "images"
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Pareto", anchor=False, width="content")
        if not split:
            of = st.segmented_control(
                "Of", ["images", "coils"], default="images", key="of", required=True, label_visibility="collapsed"
            )
    totals = figures.by_class(daily, unit, ()).filter("defect")
    st.altair_chart(charts.pareto(totals.with_columns(images=of), of, 216), alt=f"{of} by class, most first")


@frame.fragment()
def of_regions(daily: pl.DataFrame) -> None:
    """Regions of the latest of the filtered nights: by class, severity and size, and crops of them."""
    shown = sorted(daily["date"].unique())[-_REGION_NIGHTS:]
    lines = daily["line"].unique().to_list()
    rows = pl.concat([sources.regions(night) for night in shown]).filter(pl.col("line").is_in(lines, nulls_equal=True))
    if rows.is_empty():
        return
    left_out = daily["date"].n_unique() - len(shown)
    st.subheader("Regions of defect", anchor=False)
    if left_out:
        st.caption(f"Of the latest {len(shown)} of these nights: {formats.night(shown[0])} and later.")
    classes = sorted(rows["label"].unique())
    severities = sorted(rows["severity"].fill_null(regions.NO_SEVERITY).unique())
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        labels = st.pills(
            "Class of regions",
            classes,
            selection_mode="multi",
            key="region-class",
            label_visibility="collapsed",
            format_func=lambda name: plain(formats.class_name(name)),
        )
        grades: list[str] = []
        if len(severities) > 1:
            grades = st.pills(
                "Severity", severities, selection_mode="multi", key="severity", label_visibility="collapsed"
            )
    rows = regions.chosen(rows, labels, grades)
    if rows.is_empty():
        st.caption("No region matches.")
        return
    frames = rows.select("object_key", "member", "ordinal").n_unique()
    regions_in = f"**{formats.count(rows.height)}** {formats.noun(rows.height, 'region')} in"
    st.caption(f"{regions_in} {formats.count(frames)} {formats.noun(frames, 'image')}")
    left, right = st.columns((2, 3), gap="medium")
    unit = regions.unit_of_size(rows)
    with left:
        st.altair_chart(charts_regions.by_class(regions.by_severity(rows)), alt="Regions by class and severity")
    with right:
        sizes = charts_regions.by_size(regions.by_size(rows), regions.bands(unit), unit)
        st.altair_chart(sizes, alt="Regions by size and class")
    region_parts.gallery(regions.largest_first(rows), _CROPS, "regions")


def confidence(daily: pl.DataFrame, unit: RateUnit) -> None:
    st.subheader("Mean confidence", anchor=False)
    seen = figures.by_class(daily, unit).filter(pl.col("images") > 0)
    st.altair_chart(charts.confidence(seen, 216), alt="Mean confidence per night by class")


def download(counted: pl.DataFrame) -> None:
    """The figures behind the charts, by night, line and class."""
    shown = counted.filter(pl.col("images") > 0)
    with frame.on_screen("download"):
        st.caption(f"Download these figures, {formats.count(shown.height)} rows:", width="content")
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
