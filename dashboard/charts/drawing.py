"""A frame on which a box can be dragged with the pointer."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from dashboard.charts.figures import Chart

_SELECTION = "box"


def frame(url: str, width: int, height: int, wide: int) -> Chart:
    """A picture of ``width`` × ``height`` pixels, shown ``wide`` pixels wide, or as wide as a smaller screen. ``url``
    has its bytes."""
    tall = max(1, round(wide * height / width))
    across, down = f"min(width, {wide})", f"min(width, {wide}) * {height / width}"
    x = alt.X("x:Q", scale=_scale(width, across), axis=None)
    y = alt.Y("y:Q", scale=_scale(height, down), axis=None)
    middle = pl.DataFrame({"url": [url], "x": [width / 2], "y": [height / 2]})
    mark = alt.MarkDef("image", aspect=False, width=alt.expr(across), height=alt.expr(down))
    picture = alt.Chart(middle, mark=mark).encode(x=x, y=y, url="url:N")
    corners = pl.DataFrame({"x": [0, width], "y": [0, height]})
    drag = alt.selection_interval(name=_SELECTION, encodings=["x", "y"])
    targets = alt.Chart(corners).mark_point(opacity=0).encode(x=x, y=y).add_params(drag)
    # Without room around it the picture fills the chart, so that a place on it is the same place of the frame.
    nothing = dict.fromkeys(("left", "top", "right", "bottom"), 0)
    layers = alt.layer(picture, targets).properties(height=tall, padding=nothing, autosize="none")
    made: Chart = layers.configure_view(stroke=None)
    return made


def _scale(pixels: int, shown: str) -> alt.Scale:
    """From the pixels of the picture to those of the screen, from its upper left corner on."""
    return alt.Scale(domain=[0, pixels], range=[0, alt.expr(shown)], nice=False)


def selected(state: Any) -> tuple[int, int, int, int] | None:
    """x, y, width and height of the box that was dragged, from the state of the chart; None without one."""
    found = state.get("selection", {}).get(_SELECTION, {}) if state else {}
    if not found.get("x") or not found.get("y"):
        return None
    (left, right), (top, bottom) = sorted(found["x"]), sorted(found["y"])
    x, y = max(0, round(left)), max(0, round(top))
    return x, y, max(1, round(right) - x), max(1, round(bottom) - y)
