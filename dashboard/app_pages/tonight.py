"""Tonight: the result of the last night, what changed, and where to look first."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import polars as pl
import streamlit as st

from dashboard import address, formats, frame, links
from dashboard.app_pages import coil_parts, morning_parts, tonight_figures, tonight_state
from dashboard.charts import drift as charts_drift
from dashboard.charts import figures as charts
from dashboard.data import figures, regions, sources
from dashboard.formats import plain
from steelflow.report.rates import RateUnit

_Colour = Literal["green", "orange", "red", "gray"]
_VERDICTS: dict[str, tuple[_Colour, str]] = {
    "none": ("green", "no drift"),
    "warn": ("orange", "warning"),
    "alarm": ("red", "drift"),
}
_ROWS = 6  # lines of drift without scrolling


def show() -> None:
    reported, recorded = sources.nights(), sources.recorded_nights()
    nights = sorted({*reported, *recorded})
    if not nights:
        frame.heading("Tonight")
        tonight_state.state(None)
        frame.empty(
            "No night was inspected yet",
            "`steelflow nightly` inspects the last night. `steelflow up` inspects every night. "
            "`steelflow doctor` checks whether the archive is found.",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        frame.heading("Tonight", "the last night: can it be trusted, where to look, what changed")
        names = [night.isoformat() for night in reversed(nights)]
        night = dt.date.fromisoformat(address.choose("Night", "night", names, names[0], label_visibility="collapsed"))
        address.write(night=night.isoformat())
        if night in reported:
            morning_parts.report_buttons(night)
    record = next((one for one in sources.runs(1, night) if one.date == night and not one.only), None)
    tonight_state.silence(reported, night == nights[-1])
    tonight_state.state(record, night)
    if night in reported:
        morning_parts.trust_line(night)
    for one in record.missing if record is not None else ():
        st.error(plain(one[0].upper() + one[1:]), icon=":material/error:")
    tonight_state.warnings(record)
    if night not in reported and record is not None and record.found:
        sources.nights.clear()  # the night has ended since its list was read
        reported = sources.nights()
    if night not in reported:
        frame.empty("No image of this night was inspected", "Choose an earlier night, or see Runs for the reason.")
        return
    daily = sources.daily(reported[-1])
    unit = figures.unit(daily.filter(pl.col("date") == night))
    left, right = st.columns((2, 3), gap="medium")
    with left:
        drifting = drift(night)
    with right:
        ranked, to_decide = st.tabs(["Worst coils", "Coils to decide"], key="coils", bind="query-params")
        with ranked:
            worst(night, unit)
        with to_decide:
            coil_parts.of_night(night)
    tonight_figures.numbers(daily, night, unit, tonight_figures.doubt(daily, night, record, drifting))
    left, right = st.columns((3, 2), gap="medium")
    with left:
        if sources.regions(night).is_empty():
            st.subheader("Last 28 nights", anchor=False)
            history(daily, night, unit)
        else:
            trend, tonight = st.tabs(["Last 28 nights", "Regions of this night"], key="defects", bind="query-params")
            with trend:
                history(daily, night, unit)
            with tonight:
                of_regions(daily, night)
    with right:
        changes(daily, night, unit)


def history(daily: pl.DataFrame, night: dt.date, unit: RateUnit) -> None:
    window = daily.filter(pl.col("date").is_between(night - dt.timedelta(days=figures.HISTORY - 1), night))
    rates = figures.by_class(window, unit).filter("defect")
    if rates.is_empty():
        st.caption("No defects in these nights.")
        return
    st.altair_chart(charts.trend(rates, unit, 262, night), alt="Defects per night by class")


def of_regions(daily: pl.DataFrame, night: dt.date) -> None:
    """The regions of defect by class, and their number per 100 m of strip if all lengths are known."""
    here = figures.nightly(daily.filter(pl.col("date") == night), figures.unit(daily.filter(pl.col("date") == night)))
    strip = here["strip"][0] if here.height else None
    found = sources.regions(night)
    table = regions.by_class(found, strip)
    metres = f" on {formats.count(strip)} m of strip" if strip else ""
    st.caption(f"**{formats.count(found.height)}** {formats.noun(found.height, 'region')} of defect{metres}")
    number = st.column_config.NumberColumn
    st.dataframe(
        table.with_columns(pl.col("label").map_elements(formats.class_name, pl.String)),
        height=224,
        row_height=28,
        hide_index=True,
        key="regions",
        column_config={
            "label": st.column_config.TextColumn("Class", width=150),
            "regions": number("Regions", format="localized", width=80),
            "images": number("Images with one", format="localized", width=110),
            "area": number("Area, pixels", format="localized", width=110),
            "rate": number("Per 100 m", format="%.2f", width=90) if strip else None,
        },
    )


def changes(daily: pl.DataFrame, night: dt.date, unit: RateUnit) -> None:
    st.subheader("What changed most", anchor=False)
    table = figures.changes(daily, night, unit)
    if table.is_empty():
        st.caption(f"Needs {figures.LEAST} inspected nights before this one.")
        return
    shown = table.select(
        pl.col("line").fill_null("–"),
        pl.col("label").map_elements(formats.class_name, pl.String).alias("defect"),
        "rate",
        "usual",
        (100 * pl.col("change")).alias("change"),
        "history",
    )
    number = st.column_config.NumberColumn
    st.caption(f"In {unit.name}.")
    st.dataframe(
        shown,
        height=224,
        row_height=28,
        hide_index=True,
        key="changes",
        column_config={
            "line": st.column_config.TextColumn("Line", width=50),
            "defect": st.column_config.TextColumn("Defect", width=100),
            "rate": number("Tonight", format="%.2f", width=62),
            "usual": number("Usual", format="%.2f", width=60),
            "change": number("Change", format="%+.0f %%", width=66),
            "history": st.column_config.LineChartColumn("28 nights", width=90, y_min=0),
        },
    )


def worst(night: dt.date, unit: RateUnit) -> None:
    ranked = figures.coils(sources.summary(night), unit).filter(pl.col("coil").is_not_null()).head(20)
    if ranked.is_empty():
        st.caption("The keys of this archive have no coils.")
        return
    shown = ranked.select(
        pl.col("line").fill_null("–"),
        "coil",
        pl.col("worst").map_elements(formats.class_name, pl.String).alias("mostly"),
        "of_it",
        "defects",
        "rate",
        "failed",
    )
    number = st.column_config.NumberColumn
    picked = st.dataframe(
        shown,
        height=220,
        row_height=28,
        hide_index=True,
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
        key="worst",
        column_config={
            "line": st.column_config.TextColumn("Line", width=44),
            "coil": st.column_config.TextColumn("Coil", width=76, help="A click opens the coil."),
            "mostly": st.column_config.TextColumn("Mostly", width=106),
            "of_it": st.column_config.ProgressColumn(
                "Of that class",
                format="%d",
                min_value=0,
                max_value=max(1, *ranked["of_it"]),
                width=100,
            ),
            "defects": number("Defects", width=70) if unit.whole else None,
            "rate": number(unit.per.capitalize(), format="%.2f", width=90) if unit.whole else None,
            "failed": number("Unreadable", width=80),
        },
    )
    ticked = links.row_of(picked)
    if ticked is not None:
        row = ranked.row(ticked, named=True)
        st.switch_page(links.script("coil"), query_params=links.of_coil(night, row["line"], row["coil"]))


def drift(night: dt.date) -> list[str]:
    """The verdict of each line, a link to its drift. Returns the lines that drift."""
    st.subheader("Drift by line", anchor=False)
    before = sources.drift(night - dt.timedelta(days=figures.HISTORY - 1), night)
    table = before.filter(pl.col("date") == night).unique("line", keep="first").sort("line", nulls_last=True)
    if table.is_empty():
        st.caption("This night was not checked for drift. Run `steelflow drift`.")
        return []
    since = figures.since(before, night)
    rows = sorted(table.iter_rows(named=True), key=lambda row: (row["line"] not in since, str(row["line"])))
    with st.container(height=236 if len(rows) > _ROWS else "content", border=False, gap="xsmall", key="drift"):
        for row in rows:
            colour, word = _VERDICTS.get(row["verdict"], ("gray", "no verdict"))
            if (first := since.get(row["line"])) is not None:
                word += f" since {first:%d %b}"
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.page_link(
                    links.script("drift"),
                    label=f":{colour}-badge[{plain(row['line'] or 'all')} · {word}]",
                    query_params={"night": night.isoformat(), "line": row["line"] or charts_drift.NO_LINE},
                )
                # For a breach, the text of the signal says more than the reason of the verdict.
                st.caption(plain((row["text"] if row["breach"] else row["reason"]) or ""), width="content")
    return [row["line"] or "the plant" for row in rows if row["line"] in since]


show()
