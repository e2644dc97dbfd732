"""Charts of coils along their length."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from dashboard.charts import palette
from dashboard.charts.figures import LEGEND, Chart
from dashboard.formats import class_name

_ROW = 24  # pixels
_LANE = 5  # pixels of a class of a coil
_AXIS = 52  # pixels below a plot; they are part of a chart's height
_PADDING = {"top": 0, "bottom": 0, "left": 0, "right": 4}
_LABELS = 92  # pixels for the names on the left, so both charts have the same horizontal scale
_METRES = "metres from the head"


def strip(images: pl.DataFrame, scale: tuple[float, float] | None) -> Chart:
    """A coil's images along its length, with a row for each class. ``images``: place, label, confidence, file.

    ``place`` is in metres on ``scale``; without a scale it is the image's number. Overlapping images are darker.
    A click gives ``number``, which is that of the row unless ``images`` has it.
    """
    shown, shades = _scale(images["label"].unique().to_list())
    images = images if "number" in images.columns else images.with_row_index("number")
    if scale is None:
        unit, domain = "image", alt.Scale(zero=False, nice=False, padding=14)
        axis = alt.Axis(grid=False, tickMinStep=1, format="d")
        ticks = [(max(2, min(16, 700 // max(images.height, 1))), 1.0)]
    else:
        unit, domain = "metres", alt.Scale(domain=scale, nice=False)
        axis = alt.Axis(grid=False)
        # An image covers less than a metre, so a tick of three pixels is wide enough. A wider transparent tick makes it
        # easier to hit with the pointer.
        ticks = [(3, 0.8), (11, 0.0)]
    base = alt.Chart(images.select("number", "place", _class(), "confidence", "file")).encode(
        x=alt.X("place:Q", title=_METRES if scale else "image", scale=domain, axis=axis),
        y=alt.Y("class:N", title=None, scale=alt.Scale(domain=shown), axis=_names(grid=True)),
        color=alt.Color("class:N", scale=alt.Scale(domain=shown, range=shades), legend=None),
        tooltip=[
            alt.Tooltip("place:Q", title=unit, format=",.2f" if scale else "d"),
            "class:N",
            alt.Tooltip("confidence:Q", format=".1%"),
            "file:N",
        ],
    )
    *drawn, (wide, opacity) = ticks
    marks = [base.mark_tick(size=_ROW - 6, thickness=thin, opacity=shade) for thin, shade in drawn]
    pick = alt.selection_point(name="pick", fields=["number"])
    target = base.mark_tick(size=_ROW - 6, thickness=wide, opacity=opacity, cursor="pointer").add_params(pick)
    return alt.layer(*marks, target).properties(height=_ROW * max(len(shown), 1) + _AXIS, padding=_PADDING)


def repeating(marks: pl.DataFrame, scale: tuple[float, float] | None) -> Chart:
    """From where to where marks repeat along a coil. ``marks``: name, first, last, label, count, expected; ``scale``
    in metres."""
    shown, shades = _scale(marks["label"].unique().to_list())
    domain = alt.Scale(nice=False) if scale is None else alt.Scale(domain=scale, nice=False)
    bars = (
        alt.Chart(marks.select("name", "first", "last", _class(), "count", "expected"))
        .mark_bar(height=6)
        .encode(
            x=alt.X("first:Q", title=_METRES, scale=domain, axis=alt.Axis(grid=False)),
            x2="last:Q",
            y=alt.Y("name:N", title=None, sort=None, axis=_names(grid=True)),
            color=alt.Color("class:N", scale=alt.Scale(domain=shown, range=shades), legend=None),
            tooltip=[
                "class:N",
                alt.Tooltip("first:Q", title="from, metres", format=",.1f"),
                alt.Tooltip("last:Q", title="to, metres", format=",.1f"),
                "count:Q",
                "expected:Q",
            ],
        )
    )
    return alt.layer(bars).properties(height=_ROW * max(marks["name"].n_unique(), 1) + _AXIS, padding=_PADDING)


def side_by_side(segments: pl.DataFrame, here: str, order: Sequence[str], scale: tuple[float, float]) -> Chart:
    """Coils below each other at the same positions, with a thin lane for each class. More images in a segment give a
    stronger colour. ``segments``: coil, start, end, label, images; ``scale`` in metres."""
    shown, shades = _scale(segments["label"].unique().to_list())
    frame = segments.select("coil", "start", "end", _class(), "images")
    y = alt.Y("coil:N", title=None, scale=alt.Scale(domain=list(order), paddingInner=0.2), axis=_names(grid=False))
    behind = alt.Chart(pl.DataFrame({"coil": [here]})).mark_rect(color=palette.IDLE, opacity=0.18).encode(y=y)
    most = max(frame["images"].to_list(), default=1)
    lanes = (
        alt.Chart(frame)
        .mark_rect(cursor="pointer")
        .encode(
            x=alt.X("start:Q", title=_METRES, scale=alt.Scale(domain=scale, nice=False), axis=alt.Axis(grid=False)),
            x2="end:Q",
            y=y,
            yOffset=alt.YOffset("class:N", scale=alt.Scale(domain=shown)),
            color=alt.Color(
                "class:N",
                scale=alt.Scale(domain=shown, range=shades),
                legend=alt.Legend(
                    title=None, orient="top", symbolType="square", columns=LEGEND, labelLimit=140, offset=6
                ),
            ),
            opacity=alt.Opacity(
                "images:Q", scale=alt.Scale(type="sqrt", domain=[0, most], range=[0.5, 1]), legend=None
            ),
            tooltip=[
                "coil:N",
                "class:N",
                alt.Tooltip("start:Q", title="from, metres"),
                alt.Tooltip("end:Q", title="to, metres"),
                alt.Tooltip("images:Q", format=","),
            ],
        )
        .add_params(alt.selection_point(name="pick", fields=["coil"]))
    )
    coil = _LANE * max(len(shown), 3) + 6
    return alt.layer(behind, lanes).properties(height=coil * len(order) + _AXIS + _ROW, padding=_PADDING)


def _names(grid: bool) -> alt.Axis:
    return alt.Axis(grid=grid, labelOverlap=False, labelLimit=_LABELS, minExtent=_LABELS)


def _class() -> pl.Expr:
    """The label as it is shown."""
    return pl.col("label").map_elements(class_name, pl.String, skip_nulls=False).alias("class")


def _scale(labels: Sequence[str | None]) -> tuple[list[str], list[str]]:
    """The class names as shown, and their colours."""
    names, shades = palette.scale(labels)
    return [class_name(None if name == "unreadable" else name) for name in names], shades
