"""Charts of drift: the verdicts of the nights, all signals of a line, and one signal with its threshold."""

from __future__ import annotations

import altair as alt
import polars as pl

from dashboard.charts import palette
from dashboard.charts.figures import Chart

VERDICTS = {
    "none": ("no drift", palette.GOOD),
    "warn": ("warning", palette.WARN),
    "alarm": ("drift", palette.BAD),
    "insufficient": ("no verdict", palette.IDLE),
}
NO_LINE = "no line"
_LIMIT = 2.0  # multiple of the threshold at which the darkest colour is reached
_LEGIBLE = 14  # nights; with more, the figures do not fit
_INK, _CHALK = "#10141a", "#e4e9ee"
_NIGHT = "%d %b"
_PLACED = alt.Axis(labelFlush=False)  # each name in the middle of its row
_TIP = "%a %d %b %Y"


def verdicts(table: pl.DataFrame) -> Chart:
    """Line × night, coloured by verdict. ``table``: date, line, verdict, reason; one row for each."""
    frame = table.select(
        "date",
        pl.col("date").dt.to_string("iso").alias("night"),
        pl.col("line").fill_null(NO_LINE),
        pl.col("verdict").replace_strict({name: word for name, (word, _) in VERDICTS.items()}, default="no verdict"),
        "reason",
    )
    words, shades = zip(*VERDICTS.values(), strict=True)
    made: Chart = (
        alt.Chart(frame)
        .mark_rect(cornerRadius=3, cursor="pointer")
        .add_params(alt.selection_point(name="pick", fields=["night", "line"]))
        .encode(
            x=_nights(),
            y=alt.Y("line:N", title="line", scale=alt.Scale(paddingInner=0.15)),
            color=alt.Color(
                "verdict:N",
                scale=alt.Scale(domain=list(words), range=list(shades)),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=[alt.Tooltip("date:T", format=_TIP, title="night"), "line:N", "verdict:N", "reason:N"],
        )
        .properties(height=90 + 32 * frame["line"].n_unique())
    )
    return made


def moved(table: pl.DataFrame, order: list[str], dark: bool = False, height: int = 280) -> Chart:
    """Signal × night, coloured by the share of the threshold, for a light page or a ``dark`` one.

    ``table``: date, signal, share, value, threshold, text.
    """
    frame = table.select(
        "date",
        pl.col("date").dt.to_string("iso").alias("night"),
        _words(pl.col("signal")),
        "value",
        "threshold",
        "text",
        pl.col("share").clip(lower_bound=0),
    )
    base = alt.Chart(frame).encode(
        x=_nights(),
        y=alt.Y("signal:N", sort=[name.replace("_", " ") for name in order], title=None, axis=_PLACED),
        tooltip=[
            alt.Tooltip("date:T", format=_TIP, title="night"),
            "signal:N",
            alt.Tooltip("value:Q", format=".3f"),
            alt.Tooltip("threshold:Q", format=".3f"),
            alt.Tooltip("share:Q", format=".0%", title="of threshold"),
            alt.Tooltip("text:N", title="in words"),
        ],
    )
    # One hue below the threshold, another above it: a breach is visible without reading.
    shades = alt.Scale(domain=[0, 0.999, 1, _LIMIT], range=list(palette.SHARE), clamp=True)
    pick = alt.selection_point(name="pick", fields=["night"])
    fields = (
        base.mark_rect(cornerRadius=2, cursor="pointer")
        .add_params(pick)
        .encode(color=alt.Color("share:Q", scale=shades, legend=None))
    )
    layers = [fields]
    if frame["date"].n_unique() <= _LEGIBLE:
        # Below the threshold the field is transparent, so the figure has the colour of the page's text.
        shade = alt.condition("datum.share >= 1", alt.value(_INK), alt.value(_CHALK if dark else _INK))
        layers.append(base.mark_text(fontSize=10).encode(text=alt.Text("share:Q", format=".0%"), color=shade))
    return alt.layer(*layers).properties(height=height)


def signal(table: pl.DataFrame, unit: str, height: int = 246) -> Chart:
    """One signal of every line over the nights, with a dashed threshold. ``table``: date, line, value, threshold,
    breach, text."""
    frame = table.select("date", pl.col("line").fill_null(NO_LINE), "value", "threshold", "breach", "text")
    shares = "share" in unit
    if shares:  # an estimate of a share can be a little below 0
        frame = frame.with_columns(pl.col("value").clip(lower_bound=0))
    names = sorted(frame["line"].unique())
    shades = [palette.LINES[number % len(palette.LINES)] for number in range(len(names))]
    colour = alt.Color(
        "line:N", scale=alt.Scale(domain=names, range=shades), legend=alt.Legend(title=None, orient="top")
    )
    base = alt.Chart(frame).encode(x=_nights(), color=colour)
    tooltip = [
        alt.Tooltip("date:T", format=_TIP, title="night"),
        "line:N",
        alt.Tooltip("value:Q", format=".3f"),
        alt.Tooltip("threshold:Q", format=".3f"),
        alt.Tooltip("text:N", title="in words"),
    ]
    axis = alt.Axis(format=".0%") if shares else alt.Axis(format=",~r")
    title = f"{unit}, above the reference" if shares else unit
    drawn = base.mark_line(interpolate="monotone").encode(y=alt.Y("value:Q", title=title, axis=axis))
    alone = frame["date"].n_unique() < 2  # a line through one night is invisible
    dashed = base.mark_tick(size=120, thickness=2) if alone else base.mark_line(strokeDash=[4, 4])
    limits = dashed.encode(y="threshold:Q", opacity=alt.value(0.7))
    points = base.mark_point(filled=True, opacity=1).encode(
        y="value:Q",
        tooltip=tooltip,
        shape=alt.condition("datum.breach", alt.value("triangle-up"), alt.value("circle")),
        size=alt.condition("datum.breach", alt.value(130), alt.value(35)),
    )
    return alt.layer(drawn, limits, points).properties(height=height)


def distribution(frame: pl.DataFrame, height: int = 190) -> Chart:
    """The shares of the images by bin or class, of the reference and of the night; ``data.distributions.SCHEMA``."""
    sides = alt.Color(
        "side:N",
        scale=alt.Scale(domain=["reference", "night"], range=[palette.IDLE, palette.LINES[1]]),
        legend=None,
    )
    share = alt.Tooltip("share:Q", format=".1%")
    if frame["label"].null_count() < frame.height:
        bars: Chart = (
            alt.Chart(frame.with_columns(_words(pl.col("label"))))
            .mark_bar()
            .encode(
                x=alt.X("share:Q", title=None, axis=alt.Axis(format=".0%", tickCount=4)),
                y=alt.Y("label:N", title=None, axis=alt.Axis(labelLimit=110)),
                yOffset=alt.YOffset("side:N", sort=["reference", "night"]),
                color=sides,
                tooltip=["label:N", "side:N", share],
            )
            .properties(height=height)
        )
        return bars
    made: Chart = (
        alt.Chart(frame)
        .mark_bar(opacity=0.6, binSpacing=0)
        .encode(
            x=alt.X("low:Q", bin="binned", title=None, axis=alt.Axis(tickCount=4, format=".3~r", grid=False)),
            x2="high:Q",
            y=alt.Y("share:Q", stack=None, title=None, axis=alt.Axis(format=".0%", tickCount=3)),
            color=sides,
            tooltip=[
                "side:N",
                alt.Tooltip("low:Q", format=".4~r", title="from"),
                alt.Tooltip("high:Q", format=".4~r", title="to"),
                share,
            ],
        )
        .properties(height=height)
    )
    return made


def _nights() -> alt.X:
    return alt.X(
        "yearmonthdate(date):O",
        title=None,
        axis=alt.Axis(format=_NIGHT, labelAngle=0, labelOverlap=True, labelFlush=False, grid=False),
    )


def _words(column: pl.Expr) -> pl.Expr:
    return column.str.replace_all("_", " ", literal=True)
