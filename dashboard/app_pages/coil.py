"""Coil: one coil along its length, and the coils before and after it."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

import polars as pl
import streamlit as st

from dashboard import address, formats, frame
from dashboard.app_pages import coil_along, coil_images, coil_map_parts, coil_parts, model_parts
from dashboard.charts import regions as charts_regions
from dashboard.data import figures, sources, strips
from dashboard.formats import plain
from steelflow.report.rates import RateUnit

_BESIDE = 4  # coils on each side


def show() -> None:
    frame.heading("Coil", "images along its length, and the neighbouring coils")
    nights = sources.nights()
    if not nights:
        frame.empty("No night was inspected yet", "Run `steelflow nightly` to inspect the last night.")
        return
    chosen = choice(nights)
    if chosen is None:
        return
    night, line, coil, of_line = chosen
    rows = sources.coil(night, line, coil)
    if rows.is_empty():
        frame.empty(
            "The report no longer has images of this coil", "The night was inspected again. Open the page again."
        )
        return
    named = pl.concat_str("model_name", "model_version", separator=" ")
    model_parts.judged_by(rows.select("status", model=named, images=pl.lit(1)))
    order = sorted(of_line["coil"].unique())
    place = order.index(coil)
    names = order[max(0, place - _BESIDE) : place + _BESIDE + 1]
    segments = strips.segments(sources.positions(night, line, tuple(names)))
    scale = strips.scale(segments)
    found = sources.regions(night, line).filter(pl.col("coil") == coil)
    marks = sources.marks(night, line).filter(pl.col("coil") == coil)
    mapped = sources.is_framed(night, line)
    if not mapped:
        coil_along.along(rows, scale, night, line)
    coil_parts.of_coil(night, line, coil)
    numbers(rows, of_line, coil)
    if mapped:
        coil_map_parts.of_coil(rows, found, marks, night, line)
    elif found["along"].count():  # regions beside a report that does not tell its frames
        st.altair_chart(charts_regions.along(found.drop_nulls("along"), scale), alt="Regions along and across the coil")
    coil_map_parts.repeating(marks, scale)
    coil_along.beside(of_line, names, coil, segments, scale)
    coil_images.images(rows, coil, night, line)


def choice(nights: list[dt.date]) -> tuple[dt.date, str, str, pl.DataFrame] | None:
    """Night, line and coil, and the summary of the line; None if the night has no coils."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        names = [night.isoformat() for night in reversed(nights)]
        night = dt.date.fromisoformat(address.choose("Night", "night", names, names[0]))
        summary = sources.summary(night).filter(pl.col("coil").is_not_null() & pl.col("line").is_not_null())
        if summary.is_empty():
            address.write(night=night.isoformat())
            frame.empty("No coils in this night", "The keys of the archive have no coil; see `archive.template`.")
            return None
        lines = sorted(summary["line"].unique())
        line = address.choose("Line", "line", lines, lines[0])
        of_line = summary.filter(pl.col("line") == line)
        order = sorted(of_line["coil"].unique())
        worst = figures.coils(of_line, figures.unit_of_coils(of_line))["coil"][0]
        coil = address.choose("Coil", "coil", order, worst, 220)
        address.write(night=night.isoformat(), line=line, coil=coil)
        place = order.index(coil)
        st.button(
            "",
            icon=":material/chevron_left:",
            key="before",
            help="The coil before",
            disabled=place == 0,
            on_click=coil_along.go,
            args=(order[max(place - 1, 0)],),
        )
        st.button(
            "",
            icon=":material/chevron_right:",
            key="after",
            help="The coil after",
            disabled=place == len(order) - 1,
            on_click=coil_along.go,
            args=(order[min(place + 1, len(order) - 1)],),
        )
    return night, line, coil, of_line


def numbers(rows: pl.DataFrame, of_line: pl.DataFrame, coil: str) -> None:
    unit = figures.unit_of_coils(of_line)
    ranked = figures.coils(of_line, unit)
    here = ranked.filter(pl.col("coil") == coil).row(0, named=True)
    rank = 1 + ranked["coil"].to_list().index(coil)
    confidence = cast(float | None, rows["confidence"].cast(pl.Float64).mean())  # of a column of numbers
    place = f"rank {rank} of {ranked.height} on the line"
    with st.grid(5, min_column_width=150, gap="small"):
        st.metric(
            "Images",
            formats.count(rows.height),
            f"{here['strip']:,.1f} m of strip" if here["strip"] else None,
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
        )
        st.metric("Unreadable", formats.count(here["failed"]), border=True, height="stretch")
        st.metric(
            "Defects" if unit.whole else "Defects by class",
            formats.count(here["defects"]) if unit.whole else place,
            f"{unit.text(here['rate'])} {unit.per}; {place}" if unit.whole else "the model has no good classes",
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
        )
        st.metric(
            "Mostly",
            plain(formats.class_name(here["worst"])) if here["worst"] else formats.NOTHING,
            of_class(here, of_line, unit),
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
        )
        st.metric("Mean confidence", formats.share(confidence), border=True, height="stretch")


def of_class(here: dict[str, Any], of_line: pl.DataFrame, unit: RateUnit) -> str:
    """The number of the most frequent defect: regions where the report has them, otherwise images."""
    label = pl.lit(here["worst"], pl.String())  # null without a defect
    rows = of_line.filter(pl.col("coil") == here["coil"], pl.col("label").eq_missing(label))
    one = "region" if unit.whole and rows["regions"].count() else "image"
    return f"{formats.count(here['of_it'])} {formats.noun(here['of_it'], one)}"


show()
