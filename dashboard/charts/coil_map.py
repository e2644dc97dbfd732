"""The chart of a coil map: length by width, the sides below each other."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import cast

import altair as alt
import polars as pl

from dashboard.charts import palette
from dashboard.charts.figures import LEGEND, Chart
from dashboard.data import lanes as data_lanes
from dashboard.data.coil_map import CoilMap
from dashboard.data.regions import NO_SEVERITY
from dashboard.formats import class_name

_PANEL, _GAP = 150.0, 26.0  # pixels of a panel, and between two: the name of the lower one stands there
_AXIS = 96  # pixels of the axis and the legend; they are part of a chart's height
_LABELS = 92  # pixels for the names on the left, as of the other charts of a coil
_PADDING = {"top": 0, "bottom": 0, "left": 0, "right": 4}
_PAPER = {False: "#ffffff", True: "#11161c"}  # the page, light and dark: a gap shows it
_SHOWN = ("start", "end", "top", "bottom")


@dataclass(frozen=True, slots=True)
class _Panel:
    """A side (or camera) in the chart: its millimetres or pixels from ``low`` to ``high`` are its height. The chart
    has one y axis, in pixels from its bottom."""

    name: str
    low: float
    high: float
    bottom: float
    unit: str

    def at(self, across: pl.Expr) -> pl.Expr:
        return self.bottom + _PANEL * (1 - (across - self.low) / max(self.high - self.low, 1e-9))

    def place(self, across: float) -> float:
        return self.bottom + _PANEL * (1 - (across - self.low) / max(self.high - self.low, 1e-9))


def coil_map(found: CoilMap, dark: bool = False) -> Chart:
    """Regions as boxes with their size, at least a few pixels large; grey where images show the strip, with gaps where
    none does; ticks where marks repeat. A click gives ``pick``: a number of ``data.coil_map.targets``.

    The wheel with Shift zooms along the coil, the pointer moves it, a double click shows all.
    """
    panels = _panels(found)
    height = len(panels) * (_PANEL + _GAP)
    domain = alt.Scale(domain=[found.low, found.high], nice=False)
    title = "metres from the head" if found.metres else "image"
    x = alt.X("start:Q", title=title, scale=domain, axis=alt.Axis(grid=False, format=",~r"))
    y = alt.Y("top:Q", title=None, scale=alt.Scale(domain=[0, height], nice=False), axis=_axis(panels))
    pick = alt.selection_point(name="pick", fields=["pick"])
    zoom = alt.selection_interval(
        name="zoom", bind="scales", encodings=["x"], zoom="wheel![event.shiftKey]", clear="dblclick"
    )
    strip = alt.Chart(_strip(found, panels)).mark_rect(clip=True, color=palette.IDLE, opacity=0.18)
    seen = [alt.Tooltip("panel:N", title="side"), "camera:N"]
    drawn = strip.encode(x=x, x2="end:Q", y=y, y2="bottom:Q", tooltip=seen)
    layers: list[alt.Chart] = [drawn, _holes(found, panels, dark, x, y)]
    layers += _names(found, panels, y)
    layers.append(_regions(found, panels, x, y))
    layers += _marks(found, panels, x, y)
    first, *rest = layers
    made: Chart = alt.layer(first.add_params(zoom, pick), *rest).properties(
        height=height + _AXIS, width="container", padding=_PADDING
    )
    return made


def _panels(found: CoilMap) -> list[_Panel]:
    names = data_lanes.panels(found.lanes)
    made = []
    for number, name in enumerate(names):
        lanes = found.lanes.filter(panel=name)
        low, high = cast(float, lanes["low"].min()), cast(float, lanes["high"].max())
        unit = "mm" if lanes["scale"].null_count() == 0 else "pixels"
        made.append(_Panel(name, low, high, (len(names) - 1 - number) * (_PANEL + _GAP), unit))
    return made


def _axis(panels: list[_Panel]) -> alt.Axis:
    """Millimetres across, of each panel."""
    labels: dict[str, str] = {}
    values = []
    for panel in panels:
        for part in (0.0, 0.5, 1.0):
            across = panel.low + part * (panel.high - panel.low)
            values.append(round(panel.place(across), 3))
            labels[f"{values[-1]:g}"] = f"{across:,.0f} {panel.unit}"
    shown = f"({json.dumps(labels)})[toString(datum.value)]"
    return alt.Axis(
        values=values,
        labelExpr=shown,
        grid=False,
        ticks=True,
        labelOverlap=False,
        labelLimit=_LABELS,
        minExtent=_LABELS,
    )


def _placed(rows: pl.DataFrame, panels: list[_Panel]) -> pl.DataFrame:
    """Rows with ``low`` and ``high`` across in their ``panel`` as ``top`` and ``bottom`` of the chart."""
    parts = [
        rows.filter(panel=panel.name).with_columns(top=panel.at(pl.col("low")), bottom=panel.at(pl.col("high")))
        for panel in panels
    ]
    return pl.concat(parts)


def _strip(found: CoilMap, panels: list[_Panel]) -> pl.DataFrame:
    """Each lane as long as the coil."""
    lanes = found.lanes.with_columns(start=pl.lit(found.low), end=pl.lit(found.high))
    return _placed(lanes.with_columns(pl.col("camera").fill_null("–")), panels).select(*_SHOWN, "panel", "camera")


def _holes(found: CoilMap, panels: list[_Panel], dark: bool, x: alt.X, y: alt.Y) -> alt.Chart:
    first = found.regions.height  # after the regions
    rows = _placed(found.holes.with_row_index("pick", first), panels)
    paper = _PAPER[dark]
    shades = {data_lanes.UNREADABLE: palette.UNREADABLE, data_lanes.MISSING: paper, data_lanes.OFF: paper}
    kinds = [what for what in shades if what in rows["what"].to_list()]
    legend = alt.Legend(title=None, orient="bottom", columns=LEGEND, symbolType="square", offset=4)
    made: alt.Chart = (
        alt.Chart(rows.select("pick", *_SHOWN, "what", "images"))
        .mark_rect(clip=True, stroke=palette.UNREADABLE, strokeDash=[3, 2], strokeWidth=1)
        .encode(
            x=x,
            x2="end:Q",
            y=y,
            y2="bottom:Q",
            fill=alt.Fill(
                "what:N",
                scale=alt.Scale(domain=kinds, range=[shades[what] for what in kinds]),
                legend=legend if kinds else None,
            ),
            tooltip=[
                alt.Tooltip("what:N", title="strip"),
                alt.Tooltip("start:Q", title="from", format=",.2f"),
                alt.Tooltip("end:Q", title="to", format=",.2f"),
                alt.Tooltip("images:Q", format=","),
            ],
        )
    )
    return made


def _names(found: CoilMap, panels: list[_Panel], y: alt.Y) -> list[alt.Chart]:
    """The side above each panel, and the camera at the right end of its lane."""
    sides = [{"name": panel.name, "top": panel.bottom + _PANEL + 10} for panel in panels]
    middle = (pl.col("low") + pl.col("high")) / 2
    lanes = _placed(found.lanes.drop_nulls("camera").with_columns(low=middle, high=middle), panels)
    bold = alt.Chart(pl.DataFrame(sides)).mark_text(
        align="left", fontWeight="bold", fontSize=11, color=palette.UNREADABLE, tooltip=None
    )
    small = alt.Chart(lanes.select("top", name="camera")).mark_text(
        align="right", x=alt.expr("width - 6"), fontSize=11, color=palette.UNREADABLE, tooltip=None
    )
    return [bold.encode(x=alt.value(2), y=y, text="name:N"), small.encode(y=y, text="name:N")]


def _regions(found: CoilMap, panels: list[_Panel], x: alt.X, y: alt.Y) -> alt.Chart:
    labels = found.regions["label"].unique().to_list()
    names, shades = palette.scale(labels)
    scale = alt.Scale(domain=[class_name(name) for name in names], range=shades)
    file = pl.coalesce("member", "object_key").str.split("/").list.last()
    rows = _placed(found.regions.with_row_index("pick"), panels).select(
        "pick",
        *_SHOWN,
        pl.col("label").map_elements(class_name, pl.String).alias("class"),
        pl.col("severity").fill_null(NO_SEVERITY),
        "score",
        "along",
        "across_mm",
        "length_mm",
        "width_mm",
        pl.col("camera").fill_null("–"),
        file.alias("file"),
        pl.col("mark").fill_null("–").alias("repeats"),
    )
    legend = alt.Legend(title=None, orient="top", columns=LEGEND, labelLimit=140, offset=6, symbolType="square")
    made: alt.Chart = (
        alt.Chart(rows)
        .mark_rect(clip=True, cursor="pointer", strokeWidth=2.5, strokeJoin="round", fillOpacity=0.75)
        .encode(
            x=x,
            x2="end:Q",
            y=y,
            y2="bottom:Q",
            # The stroke has the colour of the class, too: a region of 20 mm on a kilometre of strip stays visible.
            color=alt.Color("class:N", scale=scale, legend=legend if rows.height else None),
            stroke=alt.Stroke("class:N", scale=scale, legend=None),
            strokeWidth=alt.condition("datum.repeats != '–'", alt.value(5), alt.value(2.5)),
            tooltip=[
                "class:N",
                "severity:N",
                alt.Tooltip("score:Q", format=".2f"),
                alt.Tooltip("along:Q", title="metres", format=",.2f"),
                alt.Tooltip("across_mm:Q", title="mm across", format=",.0f"),
                alt.Tooltip("length_mm:Q", title="mm long", format=",.0f"),
                alt.Tooltip("width_mm:Q", title="mm wide", format=",.0f"),
                "camera:N",
                "repeats:N",
                "file:N",
            ],
        )
    )
    return made


def _marks(found: CoilMap, panels: list[_Panel], x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Ticks where a mark is expected, and what repeats."""
    if found.marks.is_empty():
        return []
    ticks = _placed(found.ticks.with_columns(low="across", high="across"), panels)
    texts = _placed(found.marks.with_columns(low="across", high="across"), panels)
    shade = alt.value(palette.UNREADABLE)
    drawn = alt.Chart(ticks.select("top", "name", start="place")).mark_tick(
        clip=True, orient="vertical", size=26, thickness=1.4, opacity=0.9
    )
    # The text stays at the left end of the plot when somebody zooms.
    told = alt.Chart(texts.select("top", "told")).mark_text(
        x=4, align="left", baseline="bottom", dy=-15, fontSize=11, fontWeight="bold", tooltip=None
    )
    return [
        drawn.encode(x=x, y=y, color=shade, tooltip=["name:N", alt.Tooltip("start:Q", title="metres", format=",.2f")]),
        told.encode(y=y, color=shade, text="told:N"),
    ]
