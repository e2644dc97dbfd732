"""What the box "find" answers: hits, and a sentence if there are none. It reads run records' nights, the coil index and
the small aggregates; images are looked up in the report of one night."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import streamlit as st

from dashboard import formats, links
from dashboard.data import figures, images, sources
from dashboard.data.finding import MOST, Asked, Here, Hit, Plant, asked, found, missing, there
from steelflow.archive.template import KeyTemplate
from steelflow.report.reader import ReportReader

_SHORT = 3  # letters of an image's name
_WORST = 3  # coils that are offered before anything is typed


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits, the best first, and what to say beside them, or instead of them."""

    hits: list[Hit]
    told: str = ""


def answer(text: str, here: Here) -> Answer:
    """What ``text`` finds. An empty text finds where to look first."""
    plant = _plant()
    if not text.strip():
        return Answer(_first(plant, here), "A coil, an image, a night (17 nov, last tuesday), a class or a model.")
    understood = asked(text, plant)
    hits = [] if understood.kind == "image" else found(understood, plant, here)
    told = missing(understood, plant) or ""
    if understood.name and (not hits or _is_path(understood.name)):
        night, pictures = _images(understood, plant, here)
        hits = [*pictures, *hits][:MOST]
        if not hits and night is not None and understood.kind == "image":
            told = f"No image of {formats.night(night)} has “{understood.name}” in its name. Add another night."
    if hits:
        return Answer(hits, told)
    wider = Asked(understood.text, understood.name)
    elsewhere = found(wider, plant, here) if understood.name and wider != understood else []
    if elsewhere:
        return Answer(elsewhere, f"{told} Nothing is called “{understood.name}” there, but elsewhere.".lstrip())
    return Answer([], told or f"Nothing is called “{text.strip()}”. {there(plant)}")


def _plant() -> Plant:
    nights = sources.nights()
    latest = nights[-1] if nights else None
    daily = sources.daily(latest)
    champion = sources.champion()
    models = {version: name + (", champion" if version == champion else "") for version, name in sources.versions()}
    today = dt.datetime.now(ZoneInfo(sources.settings().night.timezone)).date()
    every = sorted({*nights, *sources.recorded_nights()})
    return Plant(
        nights=every,
        coils=sources.coils_of_all(latest),
        lines=daily["line"].drop_nulls().unique().sort().to_list(),
        labels=daily["label"].drop_nulls().unique().sort().to_list(),
        models=models,
        today=max([today, *every[-1:]]),  # the clock of this machine may be slow
    )


def _first(plant: Plant, here: Here) -> list[Hit]:
    """Before anything is typed: the worst coils of the night at which somebody looks, and the latest night."""
    nights = sources.nights()
    night = here.night if here.night in nights else nights[-1] if nights else None
    if night is None:
        return []
    summary = sources.summary(night)
    worst = figures.coils(summary, figures.unit_of_coils(summary)).filter(pl.col("coil").is_not_null()).head(_WORST)
    hits = [
        Hit(
            "coil",
            row["coil"],
            f"one of the worst, {row['line'] or 'no line'}, {formats.night(night)}",
            "coil",
            links.of_coil(night, row["line"], row["coil"]),
        )
        for row in worst.iter_rows(named=True)
    ]
    last = plant.nights[-1]
    return [*hits, Hit("night", formats.night(last), "the latest night", "tonight", {"night": last.isoformat()})]


def _is_path(name: str) -> bool:
    return any(char in name for char in "/\\.#")


def _images(understood: Asked, plant: Plant, here: Here) -> tuple[dt.date | None, list[Hit]]:
    """Images of one night: the night in the key, or else the night that is asked for or shown, or the latest."""
    settings, text = sources.settings(), understood.name
    if _is_path(text):
        text = text.removeprefix(settings.archive.uri).lstrip("/")
    if len(text) < _SHORT or not plant.nights:
        return None, []
    of_key = KeyTemplate(settings.archive.template, settings.night.timezone).read(text)
    named = understood.when.night if understood.when is not None else None
    looked_at = here.night if here.night is not None and here.night in plant.nights else plant.nights[-1]
    night = of_key.date or named or looked_at
    if night not in plant.nights:
        return night, []
    return night, [_image(night, row) for row in _named(night, of_key.line or understood.line, of_key.coil, text)]


@st.cache_data(ttl=sources.STALE, max_entries=64, show_spinner=False)
def _named(night: dt.date, line: str | None, coil: str | None, text: str) -> list[dict[str, Any]]:
    return images.named(ReportReader(sources.report()), night, line, coil, text, MOST)


def _image(night: dt.date, row: Mapping[str, Any]) -> Hit:
    name = (row["member"] or row["object_key"]).rpartition("/")[2]
    where = f"coil {row['coil'] or formats.NOTHING}, {row['line'] or 'no line'}, {formats.night(night)}"
    return Hit("image", name, where, "images", links.of_image(night, row))
