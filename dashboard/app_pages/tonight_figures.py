"""The figures of Tonight, each compared with the usual value."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import polars as pl
import streamlit as st

from dashboard import formats
from dashboard.app_pages import model_parts
from dashboard.data import figures, sources
from dashboard.formats import plain
from steelflow.report.rates import RateUnit
from steelflow.report.record import RunRecord

_FEWER = 0.95  # of the usual number of images: below it there are fewer than usual


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
        told = "no nights to compare with" if usually is None else "against 28 nights"
        metric("Images found", formats.count(found), found, usually, told, worse=None)
        metric("Unreadable", formats.count(tonight["failed"]), note=f"{formats.share(lost, 2)} of them")
        if unit.whole:
            metric(name, unit.text(rate), rate, month, _usually(unit, month, doubt), doubt=doubt)
        else:
            most_frequent(daily, night, unit)
        model(daily.filter(pl.col("date") == night))


def _usually(unit: RateUnit, value: float | None, doubt: str | None = None) -> str:
    told = "no nights to compare with" if value is None else f"28 nights: {unit.text(value)}"
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
