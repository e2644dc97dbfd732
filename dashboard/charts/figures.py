"""Charts of figures: a Polars frame in, an Altair chart out. Without Streamlit, so each chart can be viewed alone.

Each docstring names the columns. Classes have the colours of ``palette``; all other colours follow the theme.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import altair as alt
import polars as pl

from dashboard.charts import palette
from dashboard.formats import class_name
from steelflow.report.rates import RateUnit

Chart = alt.Chart | alt.LayerChart | alt.FacetChart | alt.VConcatChart

LEGEND = 3  # names in a row of a legend: more are cut on a phone
_DAY = "%d %b"
_RATE = ",.2f"
_PADDING = {"top": 0, "bottom": 0, "left": 0, "right": 4}
_CLASS_AXIS = alt.Axis(labelAngle=0, labelOverlap=False, labelFlush=False, labelExpr="split(datum.label, ' ')")


def trend(rates: pl.DataFrame, unit: RateUnit, height: int = 220, mark: dt.date | None = None) -> Chart:
    """Rate per night, stacked by class. ``rates``: date, label, rate. ``mark`` is the selected night."""
    frame = _named(rates).with_columns(bold=pl.lit(True) if mark is None else pl.col("date") == mark)
    many = frame["date"].n_unique() > 60
    base = alt.Chart(frame.select("date", "class", "rate", "bold")).encode(
        x=alt.X("date:T" if many else "yearmonthdate(date):O", title=None, axis=_dates(many)),
        y=alt.Y("rate:Q", title=unit.name, stack="zero", axis=alt.Axis(format=",~r")),
        color=_classes(rates["label"].unique().to_list()),
        tooltip=[
            alt.Tooltip("date:T", format="%a %d %b %Y", title="night"),
            "class:N",
            alt.Tooltip("rate:Q", format=_RATE, title=unit.name),
        ],
    )
    faded = alt.condition("datum.bold", alt.value(1.0), alt.value(0.55))
    marked = base.mark_area(opacity=0.9) if many else base.mark_bar().encode(opacity=faded)
    made: Chart = marked.properties(height=height, padding=_PADDING)
    return made


def lines(rates: pl.DataFrame, unit: RateUnit, height: int = 220) -> Chart:
    """Rate per night of each production line. ``rates``: date, line, rate."""
    names = sorted({name or "no line" for name in rates["line"]})
    shades = [palette.LINES[number % len(palette.LINES)] for number in range(len(names))]
    frame = rates.select("date", pl.col("line").fill_null("no line"), "rate")
    made: Chart = (
        alt.Chart(frame)
        .mark_line(point=frame["date"].n_unique() <= 60)
        .encode(
            x=alt.X("date:T", title=None, axis=_days(frame["date"].n_unique())),
            y=alt.Y("rate:Q", title=unit.name, axis=alt.Axis(format=",~r")),
            color=alt.Color("line:N", scale=alt.Scale(domain=names, range=shades), legend=_legend()),
            strokeDash=alt.StrokeDash("line:N", scale=alt.Scale(domain=names), legend=_legend()),
            tooltip=[
                alt.Tooltip("date:T", format="%a %d %b %Y", title="night"),
                "line:N",
                alt.Tooltip("rate:Q", format=_RATE, title=unit.name),
            ],
        )
        .properties(height=height, padding=_PADDING)
    )
    return made


def pareto(counts: pl.DataFrame, of: str = "images", height: int = 260) -> Chart:
    """Classes by number of images, with the cumulative share. ``counts``: label, images. ``of`` is the unit: images or
    coils."""
    total = max(int(counts["images"].sum()), 1)
    frame = (
        _named(counts)
        .sort("images", "class", descending=[True, False])
        .select("class", "images", share=pl.col("images") / total, together=pl.col("images").cum_sum() / total)
    )
    order = frame["class"].to_list()
    x = alt.X("class:N", sort=order, title=None, axis=_CLASS_AXIS)
    tooltip = [
        "class:N",
        alt.Tooltip("images:Q", format=",", title=of),
        alt.Tooltip("share:Q", format=".1%"),
        alt.Tooltip("together:Q", format=".1%", title="with those before"),
    ]
    base = alt.Chart(frame)
    bars = base.mark_bar().encode(
        x=x,
        y=alt.Y("images:Q", title=of, axis=alt.Axis(format=",~r", tickMinStep=1)),
        color=_classes(counts["label"].to_list(), legend=False),
        tooltip=tooltip,
    )
    curve = base.mark_line(point=True, color=palette.UNREADABLE).encode(
        x=x,
        y=alt.Y(
            "together:Q",
            title="share of all, cumulative",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format="%", grid=False),
        ),
        tooltip=tooltip,
    )
    made: Chart = alt.layer(bars, curve).resolve_scale(y="independent").properties(height=height, padding=_PADDING)
    return made


def heat_map(rates: pl.DataFrame, unit: RateUnit, height: int = 260) -> Chart:
    """Line × class, with the rate in each field. ``rates``: line, label, images, rate."""
    frame = _named(rates).select(pl.col("line").fill_null("no line"), "class", "images", "rate")
    known = frame["rate"].drop_nulls().to_list() or [0.0]
    middle = (min(known) + max(known)) / 2
    base = alt.Chart(frame).encode(
        x=alt.X("class:N", title=None, axis=_CLASS_AXIS),
        y=alt.Y("line:N", title="line"),
        tooltip=[
            "line:N",
            "class:N",
            alt.Tooltip("rate:Q", format=_RATE, title=unit.name),
            alt.Tooltip("images:Q", format=","),
        ],
    )
    fields = base.mark_rect().encode(
        color=alt.Color("rate:Q", scale=alt.Scale(scheme="cividis"), legend=None),
    )
    texts = base.mark_text(fontSize=12).encode(
        text=alt.Text("rate:Q", format=_RATE),
        color=alt.condition(alt.datum.rate > middle, alt.value("#10141a"), alt.value("#f5f7f9")),
    )
    return alt.layer(fields, texts).properties(height=height, padding=_PADDING)


def confidence(rates: pl.DataFrame, height: int = 220) -> Chart:
    """Mean confidence of each class per night. ``rates``: date, label, confidence."""
    frame = _named(rates).select("date", "class", pl.col("confidence").round(4)).drop_nulls("confidence")
    made: Chart = (
        alt.Chart(frame)
        .mark_line(point=frame["date"].n_unique() <= 60)
        .encode(
            x=alt.X("date:T", title=None, axis=_days(frame["date"].n_unique())),
            y=alt.Y("confidence:Q", title="mean confidence", scale=alt.Scale(zero=False), axis=alt.Axis(format=".0%")),
            color=_classes(rates["label"].unique().to_list()),
            tooltip=[
                alt.Tooltip("date:T", format="%a %d %b %Y", title="night"),
                "class:N",
                alt.Tooltip("confidence:Q", format=".1%"),
            ],
        )
        .properties(height=height, padding=_PADDING)
    )
    return made


def neighbours(counts: pl.DataFrame, here: str, order: Sequence[str], height: int = 190) -> Chart:
    """Neighbouring coils, with their images by class. ``counts``: coil, label, images."""
    frame = _named(counts).select("coil", "class", "images", here=pl.col("coil") == here)
    made: Chart = (
        alt.Chart(frame)
        .mark_bar(cursor="pointer")
        .encode(
            x=alt.X("coil:N", sort=list(order), title=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("images:Q", title="images"),
            color=_classes(counts["label"].unique().to_list(), legend=False),
            opacity=alt.condition("datum.here", alt.value(1.0), alt.value(0.45)),
            tooltip=["coil:N", "class:N", alt.Tooltip("images:Q", format=",")],
        )
        .add_params(alt.selection_point(name="pick", fields=["coil"]))
        .properties(height=height, padding=_PADDING)
    )
    return made


def stages(seconds: pl.DataFrame, height: int = 220) -> Chart:
    """Seconds of each stage of each night. ``seconds``: night, stage, seconds (sum of all threads)."""
    names = list(palette.STAGES)
    made: Chart = (
        alt.Chart(seconds)
        .mark_bar()
        .encode(
            x=alt.X("night:O", title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            y=alt.Y("seconds:Q", title="seconds, all threads"),
            color=alt.Color(
                "stage:N", scale=alt.Scale(domain=names, range=list(palette.STAGES.values())), legend=_legend()
            ),
            order=alt.Order("order:Q"),
            tooltip=["night:O", "stage:N", alt.Tooltip("seconds:Q", format=",.1f")],
        )
        .properties(height=height, padding=_PADDING)
    )
    return made


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    """Add ``class``: the label as shown."""
    return frame.with_columns(pl.col("label").map_elements(class_name, pl.String, skip_nulls=False).alias("class"))


def _classes(labels: Sequence[str | None], legend: bool = True) -> alt.Color:
    names, shades = palette.scale(labels)
    shown = [class_name(None if name == "unreadable" else name) for name in names]
    scale = alt.Scale(domain=shown, range=shades)
    return alt.Color("class:N", scale=scale, legend=_legend() if legend else None)


def _legend() -> alt.Legend:
    return alt.Legend(title=None, orient="top", symbolType="square", columns=LEGEND, labelLimit=140, offset=6)


def _dates(many: bool) -> alt.Axis:
    return alt.Axis(format=_DAY, grid=False, labelAngle=0, labelOverlap=True, tickCount=12 if many else alt.Undefined)


def _days(nights: int) -> alt.Axis:
    """One tick per night if there are few: by default the axis would have several ticks a day with the same name."""
    if nights > 60:
        return alt.Axis(format=_DAY, grid=False)
    return alt.Axis(format=_DAY, grid=False, labelOverlap=True, tickCount="day")
