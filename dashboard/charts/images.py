"""Charts of a model's result for one image."""

from __future__ import annotations

import altair as alt
import polars as pl

from dashboard.charts import palette
from dashboard.charts.figures import Chart
from dashboard.formats import class_name


def probabilities(values: dict[str, float], height: int = 190) -> Chart:
    """A bar for each class, in the model's order."""
    frame = pl.DataFrame(
        {"class": [class_name(name) for name in values], "probability": list(values.values())},
        schema={"class": pl.String, "probability": pl.Float64},
    )
    shades = [palette.colour(name) for name in values]
    base = alt.Chart(frame).encode(
        y=alt.Y("class:N", sort=None, title=None, axis=alt.Axis(labelLimit=140)),
        x=alt.X(
            "probability:Q",
            scale=alt.Scale(domain=[0, 1.12]),
            axis=alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1], grid=True, title=None),
        ),
        tooltip=["class:N", alt.Tooltip("probability:Q", format=".2%")],
    )
    bars = base.mark_bar().encode(
        color=alt.Color("class:N", scale=alt.Scale(domain=frame["class"].to_list(), range=shades), legend=None)
    )
    texts = base.mark_text(align="left", dx=4, color=palette.IDLE).encode(text=alt.Text("probability:Q", format=".1%"))
    return alt.layer(bars, texts).properties(height=height)
