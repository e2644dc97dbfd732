"""Charts of models: confusion matrix, learning curves, and accuracy against speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from dashboard.charts import palette
from dashboard.charts.figures import Chart
from dashboard.formats import class_name

_CURVES = {"loss": "training loss", "validation_loss": "validation loss", "validation_accuracy": "validation accuracy"}


def confusion(classes: Sequence[str], matrix: Sequence[Sequence[int]], height: int = 320) -> Chart:
    """Truth (rows) × prediction (columns), with the number of images, shaded by the share of the row."""
    names = [class_name(name) for name in classes]
    cells = [
        (names[i], names[j], count, count / max(sum(row), 1), i == j)
        for i, row in enumerate(matrix)
        for j, count in enumerate(row)
    ]
    schema = {"truth": pl.String, "prediction": pl.String, "images": pl.Int64, "share": pl.Float64, "right": pl.Boolean}
    frame = pl.DataFrame(cells, schema=schema, orient="row")
    base = alt.Chart(frame).encode(
        x=alt.X(
            "prediction:N",
            sort=names,
            title="the model says",
            axis=alt.Axis(labelAngle=-35, labelLimit=120, labelOverlap=False),
        ),
        y=alt.Y("truth:N", sort=names, title="it is", axis=alt.Axis(labelLimit=120)),
        tooltip=["truth:N", "prediction:N", "images:Q", alt.Tooltip("share:Q", format=".1%")],
    )
    hue = alt.condition("datum.right", alt.value(palette.LINES[0]), alt.value(palette.BAD))
    # A single error among a hundred images must be visible: errors start with a darker shade.
    strength = alt.Opacity("strength:Q", scale=alt.Scale(domain=[0, 1], range=[0, 1]), legend=None)
    wrong = "datum.images == 0 ? 0 : datum.right ? datum.share * 0.85 : min(1, 0.3 + 2 * datum.share)"
    fields = base.transform_calculate(strength=wrong).mark_rect(cornerRadius=2).encode(color=hue, opacity=strength)
    texts = base.mark_text(fontSize=12).encode(
        text="images:Q",
        color=alt.when("datum.right && datum.share > 0.4")
        .then(alt.value("#ffffff"))
        .when("!datum.right && datum.images > 0")
        .then(alt.value(palette.BAD))
        .otherwise(alt.value(palette.IDLE)),
        opacity=alt.condition("datum.images > 0", alt.value(1.0), alt.value(0.35)),
    )
    return alt.layer(fields, texts).properties(height=height)


def learning(curves: Mapping[str, Sequence[Any]], height: int = 200) -> list[Chart]:
    """Loss by epoch, and accuracy by epoch if the training measured it."""
    rows = [
        (epoch, words, value)
        for name, words in _CURVES.items()
        for epoch, value in zip(curves.get("epoch", ()), curves.get(name, ()), strict=False)
        if value is not None
    ]
    frame = pl.DataFrame(rows, schema={"epoch": pl.Int64, "curve": pl.String, "value": pl.Float64}, orient="row")
    accuracy = pl.col("curve").str.ends_with("accuracy")
    charts: list[Chart] = []
    for part, kind, title in ((frame.filter(~accuracy), ".2f", "loss"), (frame.filter(accuracy), ".1%", "accuracy")):
        if part.is_empty():
            continue
        drawn = (
            alt.Chart(part)
            .mark_line(point=part["epoch"].n_unique() <= 60, interpolate="monotone")
            .encode(
                x=alt.X("epoch:Q", axis=alt.Axis(grid=False, tickMinStep=1, format="d"), scale=alt.Scale(nice=False)),
                y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(format=kind)),
                color=alt.Color(
                    "curve:N", scale=alt.Scale(range=list(palette.LINES)), legend=alt.Legend(title=None, orient="top")
                ),
                tooltip=["epoch:Q", "curve:N", alt.Tooltip("value:Q", format=".4f")],
            )
            .properties(height=height)
        )
        charts.append(drawn)
    return charts


def pareto(points: pl.DataFrame, height: int = 280) -> Chart:
    """Accuracy against speed, with the Pareto front as a line. ``points``: model, accuracy, speed (images/s), front,
    robustness."""
    base = alt.Chart(points).encode(
        x=alt.X("speed:Q", title="images/s, end to end", scale=alt.Scale(type="log", nice=False, padding=60)),
        y=alt.Y("accuracy:Q", title="accuracy", scale=alt.Scale(zero=False, padding=15), axis=alt.Axis(format=".1%")),
        tooltip=[
            "model:N",
            alt.Tooltip("accuracy:Q", format=".2%"),
            alt.Tooltip("robustness:Q", format=".2%", title="under disturbance"),
            alt.Tooltip("speed:Q", format=",.0f", title="images/s"),
        ],
    )
    best = points.filter("front").sort("speed")
    line = alt.Chart(best).mark_line(color=palette.LINES[0], opacity=0.6).encode(x="speed:Q", y="accuracy:Q")
    dots = base.mark_point(filled=True, size=110, opacity=1).encode(
        color=alt.condition("datum.front", alt.value(palette.LINES[0]), alt.value(palette.IDLE))
    )
    texts = base.mark_text(align="left", dx=9, dy=-9, color=palette.IDLE).encode(text="model:N")
    return alt.layer(line, dots, texts).properties(height=height)


def embedding(points: pl.DataFrame, height: int = 460) -> Chart:
    """Images as points, coloured by class; novel ones are triangles. ``points``: x, y, label, novel, confidence, coil,
    and the order of the rows, which ``number`` names in the selection."""
    names, shades = palette.scale(points["label"])
    frame = points.select(
        "x",
        "y",
        pl.col("label").map_elements(class_name, pl.String),
        pl.when("novel").then(pl.lit("novel")).otherwise(pl.lit("familiar")).alias("novelty"),
        "confidence",
        pl.col("coil").fill_null("–"),
        number=pl.int_range(pl.len()),
    )
    pick = alt.selection_point(name="pick", fields=["number"])
    axis = alt.Axis(labels=False, ticks=False, grid=False, domain=False)
    made: Chart = (
        alt.Chart(frame)
        .mark_point(filled=True, cursor="pointer")
        .add_params(pick)
        .encode(
            x=alt.X("x:Q", title="first direction", axis=axis, scale=alt.Scale(zero=False)),
            y=alt.Y("y:Q", title="second direction", axis=axis, scale=alt.Scale(zero=False)),
            color=alt.Color(
                "label:N",
                scale=alt.Scale(domain=[class_name(name) for name in names], range=shades),
                legend=alt.Legend(title=None, orient="top", columns=4, labelLimit=200),
            ),
            shape=alt.Shape(
                "novelty:N",
                scale=alt.Scale(domain=["familiar", "novel"], range=["circle", "triangle-up"]),
                legend=None,
            ),
            size=alt.condition("datum.novelty == 'novel'", alt.value(110), alt.value(36)),
            opacity=alt.condition("datum.novelty == 'novel'", alt.value(1.0), alt.value(0.6)),
            tooltip=["label:N", "novelty:N", alt.Tooltip("confidence:Q", format=".1%"), "coil:N"],
        )
        .properties(height=height)
    )
    return made
