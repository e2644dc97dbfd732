"""Charts of regions of defect."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from dashboard.charts import palette
from dashboard.charts.figures import LEGEND, Chart
from dashboard.data.regions import NO_SEVERITY
from dashboard.formats import class_name

_PADDING = {"top": 0, "bottom": 0, "left": 0, "right": 4}
_ROW = 200  # pixels of the map of one side of the strip
_LABELS = 92  # pixels for the names on the left, as of the other charts of a coil


def by_class(counts: pl.DataFrame, height: int = 216) -> Chart:
    """Classes by number of regions, stacked by severity. ``counts``: label, severity, regions."""
    frame = _named(counts).select("class", "severity", "regions")
    order = frame.group_by("class").agg(pl.col("regions").sum()).sort("regions", "class", descending=[True, False])
    severities = [*sorted(set(frame["severity"]) - {NO_SEVERITY}), NO_SEVERITY]
    bars = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            y=alt.Y("class:N", sort=order["class"].to_list(), title=None, axis=alt.Axis(labelLimit=140)),
            x=alt.X("regions:Q", title="regions", axis=alt.Axis(format=",~r", tickMinStep=1)),
            color=alt.Color("class:N", scale=_scale(counts["label"].unique().to_list()), legend=None),
            opacity=alt.Opacity(
                "severity:N",
                scale=alt.Scale(
                    domain=severities, range=[1 - 0.6 * n / len(severities) for n in range(len(severities))]
                ),
                legend=alt.Legend(title=None, orient="top") if len(severities) > 1 else None,
            ),
            tooltip=["class:N", "severity:N", alt.Tooltip("regions:Q", format=",")],
        )
    )
    made: Chart = bars.properties(height=height, padding=_PADDING)
    return made


def by_size(counts: pl.DataFrame, bands: Sequence[str], unit: str, height: int = 216) -> Chart:
    """Regions by band of size, stacked by class. ``counts``: label, size, regions."""
    bars = (
        alt.Chart(_named(counts).select("class", "size", "regions"))
        .mark_bar()
        .encode(
            x=alt.X(
                "size:N",
                sort=list(bands),
                scale=alt.Scale(domain=list(bands)),
                title=f"area, {unit}",
                axis=alt.Axis(labelAngle=0),
            ),
            y=alt.Y("regions:Q", title="regions", axis=alt.Axis(format=",~r", tickMinStep=1)),
            color=alt.Color(
                "class:N",
                scale=_scale(counts["label"].unique().to_list()),
                legend=alt.Legend(
                    title=None, orient="top", symbolType="square", columns=LEGEND, labelLimit=140, offset=6
                ),
            ),
            tooltip=["class:N", "size:N", alt.Tooltip("regions:Q", format=",")],
        )
    )
    made: Chart = bars.properties(height=height, padding=_PADDING)
    return made


def along(regions: pl.DataFrame, scale: tuple[float, float] | None) -> Chart:
    """Regions of a coil: metres along it, and millimetres across it if they are known, else the camera. One row for
    each side. ``regions``: columns of ``data.regions``; ``scale`` in metres."""
    known = regions["across_mm"].null_count() < regions.height
    frame = _named(regions).select(
        "class",
        "along",
        "across_mm",
        "score",
        "length_mm",
        "area",
        pl.col("camera").fill_null("–"),
        pl.col("side").fill_null("strip"),
        pl.col("severity").fill_null(NO_SEVERITY),
    )
    domain = alt.Scale(zero=False, nice=False) if scale is None else alt.Scale(domain=scale, nice=False)
    y = (
        alt.Y(
            "across_mm:Q",
            title="mm across",
            scale=alt.Scale(zero=True, nice=True),
            axis=alt.Axis(tickCount=4, minExtent=_LABELS),
        )
        if known
        else alt.Y("camera:N", title=None, axis=alt.Axis(minExtent=_LABELS))
    )
    points = (
        alt.Chart(frame)
        .mark_point(filled=True, opacity=0.8)
        .encode(
            x=alt.X("along:Q", title="metres from the head", scale=domain, axis=alt.Axis(grid=False)),
            y=y,
            size=alt.Size("area:Q", scale=alt.Scale(type="sqrt", range=[20, 130]), legend=None),
            color=alt.Color(
                "class:N",
                scale=_scale(regions["label"].unique().to_list()),
                legend=alt.Legend(title=None, orient="top", columns=LEGEND, labelLimit=140, offset=6),
            ),
            tooltip=[
                "class:N",
                "severity:N",
                alt.Tooltip("score:Q", format=".2f"),
                alt.Tooltip("along:Q", title="metres", format=",.2f"),
                alt.Tooltip("across_mm:Q", title="mm across", format=",.0f"),
                alt.Tooltip("length_mm:Q", title="mm long", format=",.0f"),
                "camera:N",
            ],
        )
        .properties(height=_ROW, width="container")
    )
    if frame["side"].n_unique() < 2:
        made: Chart = points.properties(padding=_PADDING)
        return made
    sides = sorted(frame["side"].unique(), reverse=True)  # top above bottom
    rows = [points.transform_filter(alt.datum.side == side).properties(title=side) for side in sides]
    both: Chart = alt.vconcat(*rows).properties(padding=_PADDING)
    return both


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    """Add ``class``: the label as shown."""
    return frame.with_columns(pl.col("label").map_elements(class_name, pl.String).alias("class"))


def _scale(labels: Sequence[str]) -> alt.Scale:
    names, shades = palette.scale(labels)
    return alt.Scale(domain=[class_name(name) for name in names], range=shades)
