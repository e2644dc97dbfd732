"""Tonight: the result of the last night, what changed, and where to look first."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import polars as pl
import streamlit as st

from dashboard import address, formats, frame, links
from dashboard.app_pages import model_parts
from dashboard.auth.orchestrator import OrchestratorDown, orchestrator
from dashboard.charts import drift as charts_drift
from dashboard.charts import figures as charts
from dashboard.data import figures, regions, sources
from dashboard.data.silence import silent_nights
from dashboard.formats import plain
from steelflow.report.rates import RateUnit
from steelflow.report.record import RunRecord

_Colour = Literal["green", "orange", "red", "gray"]
_STATES: dict[str, _Colour] = {
    "complete": "green",
    "incomplete": "red",
    "empty": "red",
    "limited": "orange",
    "failed units": "red",
}
_VERDICTS: dict[str, tuple[_Colour, str]] = {
    "none": ("green", "no drift"),
    "warn": ("orange", "warning"),
    "alarm": ("red", "drift"),
}
_ROWS = 6  # lines of drift without scrolling
_SIZES = 3  # sizes of images in a warning
_LOOK = 10.0  # seconds
_FEWER = 0.95  # of the usual number of images: below it there are fewer than usual


def show() -> None:
    reported, recorded = sources.nights(), sources.recorded_nights()
    nights = sorted({*reported, *recorded})
    if not nights:
        frame.heading("Tonight")
        state(None)
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
    record = next((one for one in sources.runs(1, night) if one.date == night and not one.only), None)
    silence(reported, night == nights[-1])
    state(record)
    for one in record.missing if record is not None else ():
        st.error(plain(one[0].upper() + one[1:]), icon=":material/error:")
    warnings(record)
    if night not in reported:
        frame.empty("No image of this night was inspected", "Choose an earlier night, or see Runs for the reason.")
        return
    daily = sources.daily(reported[-1])
    unit = figures.unit(daily.filter(pl.col("date") == night))
    left, right = st.columns((2, 3), gap="medium")
    with left:
        drifting = drift(night)
    with right:
        worst(night, unit)
    numbers(daily, night, unit, doubt(daily, night, record, drifting))
    left, right = st.columns((3, 2), gap="medium")
    with left:
        if sources.regions(night).is_empty():
            st.subheader("Last 28 nights", anchor=False)
            history(daily, night, unit)
        else:
            trend, tonight = st.tabs(["Last 28 nights", "Regions of this night"])
            with trend:
                history(daily, night, unit)
            with tonight:
                of_regions(daily, night)
    with right:
        changes(daily, night, unit)


def silence(reported: list[dt.date], latest: bool) -> None:
    """Say in red that images stopped coming. ``latest``: the page shows the latest night, not an earlier one."""
    if not latest or not reported:
        return
    number = silent_nights(sources.settings().night, reported[-1], dt.datetime.now(dt.UTC))
    if not number:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="silence"):
        nights = "1 night" if number == 1 else f"{number} nights"
        st.badge(f"no images for {nights}", color="red", icon=":material/error:")
        st.caption(
            f"The last night with images is {formats.night(reported[-1])}. Check the cameras, the copying to the "
            "archive, and whether `steelflow up` runs.",
            width="content",
        )


def doubt(daily: pl.DataFrame, night: dt.date, record: RunRecord | None, drifting: list[str]) -> str | None:
    """Why fewer defects than usual may be no good news: fewer images, a night that misses something, or drift."""
    if record is None or record.state != "complete":
        return "the night is not complete"
    found = figures.nightly(daily, figures.unit(daily)).with_columns(rate=pl.col("found").cast(pl.Float64))
    usually = figures.usual(found, night, figures.HISTORY)
    tonight = int(daily.filter(pl.col("date") == night)["images"].sum())
    if usually and tonight < _FEWER * usually:
        return "fewer images than usual"
    return f"{', '.join(drifting)} drifts" if drifting else None


def warnings(record: RunRecord | None) -> None:
    """What a person should read before the figures."""
    if record is None:
        return
    if record.judged_whole:
        most = sorted(record.judged_whole.items(), key=lambda item: -item[1])[:_SIZES]
        told = ", ".join(f"{formats.count(number)} of {size} pixels" for size, number in most)
        st.warning(
            f"Images much larger than the model's pictures were judged as a whole: {plain(told)}. Small defects are "
            "lost in them. Set `[frame]` in the settings, then they are judged in views at full resolution.",
            icon=":material/warning:",
        )
    for note in record.notes:
        st.warning(plain(note[0].upper() + note[1:]), icon=":material/info:")


@frame.fragment(run_every=_LOOK)
def state(record: RunRecord | None) -> None:
    """One row: how the night ended, or the progress of the running night."""
    zone = sources.settings().night.timezone
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if record is not None:
            shown = record.state
            st.badge(plain(f"night {shown}"), color=_STATES.get(shown, "gray"), icon=_icon(shown))
            ended = "finished" if shown == "complete" else "ended"
            text = f"{ended} {formats.moment(record.finished_at, zone)} in {formats.duration(record.seconds)}"
            if record.judged and record.seconds:
                text += f", {formats.count(record.judged / record.seconds)} images/s"
            if lines := [line for line in record.lines if line is not None]:
                text += f"; lines {plain(', '.join(lines))}"
            st.caption(text, width="content")
            if failed := record.units.failed:
                st.caption(plain(f"{len(failed)} work units failed; run the night again. First: {failed[0]}"))
            st.page_link(links.script("runs"), label="The run", query_params={"tab": "Nights"})
        else:
            st.badge("no record of this night", color="orange", icon=":material/warning:")
        under_way(zone)


def under_way(zone: str) -> None:
    """The running night, from Prefect. Shows nothing without Prefect."""
    server = orchestrator(sources.settings())
    if server is None:
        return
    try:
        running = [run for run in server.runs(10) if run.flow == "nightly" and run.under_way]
    except OrchestratorDown:
        st.badge("Prefect does not answer", color="orange", icon=":material/cloud_off:")
        return
    for run in running[:1]:
        st.badge(plain(f"{run.name}: {run.state.lower()}"), color="blue", icon=":material/progress_activity:")
        st.caption(f"since {formats.moment(run.started, zone)}", width="content")
        if run.progress is not None:
            st.progress(min(run.progress / 100, 1.0), f"{run.progress:.0f}\u2009%", width=220)


def numbers(daily: pl.DataFrame, night: dt.date, unit: RateUnit, doubt: str | None) -> None:
    """Five figures, each compared with the usual value."""
    rates = figures.nightly(daily, unit)
    shown = rates.filter(pl.col("date") == night)
    if shown.is_empty():
        st.warning("The summary of this night is missing. Run `steelflow nightly` to write it again.")
        return
    tonight = shown.row(0, named=True)
    rate, found = tonight["rate"], tonight["found"]
    month = figures.usual(rates, night, figures.HISTORY)
    usually = figures.usual(rates.with_columns(rate=pl.col("found").cast(pl.Float64)), night, figures.HISTORY)
    lost = tonight["failed"] / found if found else 0.0
    name = unit.name.capitalize()
    with st.grid(4 if unit.whole else 5, min_column_width=165, gap="small", key="figures"):
        metric("Images found", formats.count(found), found, usually, "against 28 nights", worse=None)
        metric("Unreadable", formats.count(tonight["failed"]), note=f"{formats.share(lost, 2)} of them")
        if unit.whole:
            metric(name, unit.text(rate), rate, month, _usually(unit, month, doubt), doubt=doubt)
        else:
            most_frequent(daily, night, unit)
        model(daily.filter(pl.col("date") == night))


def _usually(unit: RateUnit, value: float | None, doubt: str | None = None) -> str:
    told = f"28 nights: {unit.text(value)}"
    return f"{told}; {doubt}" if doubt else told


def model(tonight: pl.DataFrame) -> None:
    """The model that judged this night, which may be another one than the present champion."""
    found, champion = figures.judged_by(tonight), sources.champion()
    if len(found) > 1:
        metric("Model", f"{len(found)} models", note=plain(model_parts.names(tonight).partition(": ")[2]))
        return
    name, _, version = next(iter(found), formats.NOTHING).partition(" ")
    told = version or formats.NOTHING
    if champion and version != champion:
        told += f"; champion now: {champion}"
    metric("Model", plain(name), note=plain(f"version {told}"))


def most_frequent(daily: pl.DataFrame, night: dt.date, unit: RateUnit) -> None:
    """Without good classes every image is a defect: the rate of the most frequent class, not of all."""
    rates = figures.by_class(daily, unit)
    tonight = rates.filter(pl.col("date") == night).sort("rate", descending=True, nulls_last=True)
    label, rate = tonight.select("label", "rate").row(0) if tonight.height else (None, None)
    name = plain(formats.class_name(label)) if label else formats.NOTHING
    usually = figures.usual(rates.filter(pl.col("label") == label), night, figures.HISTORY)
    metric("Defects by class", name, note="the most frequent class")
    metric(f"Of it {unit.per}", unit.text(rate), rate, usually, _usually(unit, usually), worse=None)


def metric(
    label: str,
    value: str,
    now: float | None = None,
    then: float | None = None,
    note: str = "",
    worse: Literal["inverse"] | None = "inverse",
    doubt: str | None = None,
) -> None:
    """A figure with its change from ``then``. With ``worse``, an increase is shown as bad; a decrease is shown as good
    if there is no ``doubt``."""
    change = round(100 * (now / then - 1)) if now is not None and then else None
    if doubt and change is not None and change < 0:
        worse = None
    st.metric(
        label,
        value,
        note if change is None else f"{change:+d} %" if change else "as usual",
        delta_color=worse if worse and change else "off",
        delta_arrow="auto" if change else "off",
        delta_description=note if change is not None else None,
        border=True,
        height="stretch",
    )


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
    st.caption(f"**{formats.count(found.height)}** regions of defect{metres}")
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
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.subheader("Worst coils", anchor=False, width="content")
        st.caption("A click opens the coil.", width="content")
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
        height=252,
        row_height=28,
        hide_index=True,
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
        key="worst",
        column_config={
            "line": st.column_config.TextColumn("Line", width=44),
            "coil": st.column_config.TextColumn("Coil", width=76),
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


def _icon(state: str) -> str:
    return ":material/check_circle:" if state == "complete" else ":material/warning:"


show()
