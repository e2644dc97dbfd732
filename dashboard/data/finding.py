"""What a text finds: coils, nights, lines, classes and model versions, the best first. No Streamlit, no store.

A text is a few words in any order: "C0042", "42 last tuesday", "scratches L2 17 nov", "model v3". Words that name a
night or a line narrow the search; a word such as "coil" says what kind is meant; the rest is a name or a part of one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from dashboard import formats, links
from dashboard.data.fitting import PART, fit, fits
from dashboard.data.when import When, when

Kind = Literal["coil", "night", "line", "class", "model", "image"]
MOST = 8  # hits
_FEW = 5  # names of each kind that are shown if nothing was found
_IDLE = {"of", "on", "in", "the", "at", "from", "and"}
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("coil", "coils"), "coil"),
    **dict.fromkeys(("night", "nights", "date"), "night"),
    **dict.fromkeys(("line", "lines"), "line"),
    **dict.fromkeys(("class", "classes", "label", "labels", "defect", "defects"), "class"),
    **dict.fromkeys(("model", "models", "version", "versions"), "model"),
    **dict.fromkeys(("image", "images", "picture", "pictures", "frame", "frames"), "image"),
}
_NIGHT = 95


@dataclass(frozen=True, slots=True)
class Hit:
    """``name`` is what was found, ``about`` where, ``page`` and ``places`` the address that shows it."""

    kind: Kind
    name: str
    about: str
    page: links.Page
    places: dict[str, str]


@dataclass(frozen=True, slots=True)
class Plant:
    """What can be found. ``coils``: columns ``report.coil_index.COILS``. ``nights`` ascend. ``models`` has a sentence
    for each version, the latest first."""

    nights: Sequence[dt.date]
    coils: pl.DataFrame
    lines: Sequence[str]
    labels: Sequence[str]
    models: dict[str, str]
    today: dt.date


@dataclass(frozen=True, slots=True)
class Here:
    """The night and line of the page on which somebody asks: of equal hits those come first."""

    night: dt.date | None = None
    line: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A text, understood. ``name`` is what is left of it: a name, or a part of one, as it was typed."""

    text: str
    name: str
    kind: Kind | None = None
    when: When | None = None
    line: str | None = None


def asked(text: str, plant: Plant) -> Asked:
    """Split a text into night, line, kind and name."""
    words = text.split()
    lower = [word.casefold() for word in words]
    night = when(lower, plant.nights, plant.today)
    lines = {name.casefold(): name for name in plant.lines}
    kind: Kind | None = None
    line: str | None = None
    name = []
    for place, word in enumerate(lower):
        if night is not None and night.first <= place < night.last:
            continue
        if kind is None and word in _KINDS:
            kind = _KINDS[word]
        elif line is None and word in lines:
            line = lines[word]
        elif word not in _IDLE:
            name.append(words[place])
    return Asked(" ".join(words), " ".join(name), kind, night, line)


def found(asked: Asked, plant: Plant, here: Here, most: int = MOST) -> list[Hit]:
    """The best hits, in order. Images are not among them: ``data.images.named`` finds those."""
    ranked: list[tuple[int, Hit]] = []
    if not asked.name and asked.kind in (None, "night", "line"):
        ranked += _nights(asked, plant, here)
    # "mo" may be Monday, or the beginning of a class.
    name = asked.name or (asked.text if asked.line is None and asked.kind is None else "")
    ranked += _classes(name, asked, plant, here)
    ranked += _models(name, asked, plant)
    ranked += _coils(name, asked, plant, here, most)
    ranked = [(score, hit) for score, hit in ranked if asked.kind in (None, hit.kind)]
    return [hit for _, hit in sorted(ranked, key=lambda one: -one[0])][:most]


def there(plant: Plant) -> str:
    """A sentence on what can be found."""
    if not plant.nights:
        return "No night was inspected yet."
    coils = plant.coils["coil"].unique().sort().to_list()
    parts = [
        f"nights {plant.nights[0]} to {plant.nights[-1]}",
        f"lines {_some(plant.lines)}" if plant.lines else "",
        f"coils {coils[0]} to {coils[-1]} ({formats.count(len(coils))} names)" if coils else "no coils",
        f"classes {_some([formats.class_name(label) for label in plant.labels])}" if plant.labels else "",
        f"models {_some(list(plant.models))}" if plant.models else "",
    ]
    return f"There are: {'; '.join(part for part in parts if part)}."


def missing(asked: Asked, plant: Plant) -> str | None:
    """A sentence about a night that the text names and that is not there, or that is another one than the calendar
    says."""
    if asked.when is None or not plant.nights:
        return None
    night, usual = asked.when.night, asked.when.usual
    if night not in plant.nights:
        near = min(plant.nights, key=lambda one: abs((one - night).days))
        return f"No images of {formats.night(night)}; the nearest night is {formats.night(near)}."
    if usual is not None:
        return f"No images of {formats.night(usual)}: this is the {usual:%A} before."
    return None


def _nights(asked: Asked, plant: Plant, here: Here) -> list[tuple[int, Hit]]:
    """Pages of the night that is named; with a line alone, those of the night at which somebody looks."""
    night = asked.when.night if asked.when is not None else here.night if asked.line is not None else None
    if night is None and asked.kind == "night":
        return [(_NIGHT, _night(one)) for one in reversed(plant.nights[-MOST:])]
    if night is None or not plant.nights:
        return []
    if night not in plant.nights:
        near = sorted(plant.nights, key=lambda one: abs((one - night).days))[:3]
        return [(_NIGHT, _night(one)) for one in near]
    if asked.line is None:
        return [(_NIGHT, _night(night))]
    places = {"night": night.isoformat(), "line": asked.line}
    about = formats.night(night)
    return [
        (_NIGHT, Hit("line", asked.line, f"coils, {about}", "coil", places)),
        (_NIGHT, Hit("line", asked.line, f"images, {about}", "images", places)),
        (_NIGHT, Hit("line", asked.line, f"drift, {about}", "drift", places)),
    ]


def _night(night: dt.date) -> Hit:
    return Hit("night", formats.night(night), "the whole night", "tonight", {"night": night.isoformat()})


def _classes(name: str, asked: Asked, plant: Plant, here: Here) -> list[tuple[int, Hit]]:
    night = _of(asked, plant, here)
    if night is None or (not name and asked.kind != "class"):
        return []
    made = []
    for label in plant.labels:
        score = fit(name, label)
        if score:
            places = {"night": night.isoformat(), **({} if asked.line is None else {"line": asked.line})}
            about = f"images, {asked.line or 'all lines'}, {formats.night(night)}"
            made.append((score, Hit("class", formats.class_name(label), about, "images", {**places, "label": label})))
    return made


def _models(name: str, asked: Asked, plant: Plant) -> list[tuple[int, Hit]]:
    if (not name and asked.kind != "model") or asked.when is not None:
        return []
    made = []
    for version, about in plant.models.items():
        score = max(fit(name, version), PART * bool(fit(name, about)))
        if score:  # a number alone is a coil first
            score = PART if name.isdecimal() and asked.kind is None else score
            made.append((score, Hit("model", version, about, "models", {"version": version})))
    return made


def _coils(name: str, asked: Asked, plant: Plant, here: Here, most: int) -> list[tuple[int, Hit]]:
    """Of equal hits those of the night and line at which somebody looks come first, then the latest."""
    night = asked.when.night if asked.when is not None else None
    if not name and (asked.kind != "coil" and night is None and asked.line is None):
        return []
    rows = plant.coils
    if not name and night is None:
        night = here.night
    if night is not None:
        rows = rows.filter(date=night)
    if asked.line is not None:
        rows = rows.filter(line=asked.line)
    scored = rows.with_columns(score=fits(name)) if name else rows.with_columns(score=pl.lit(PART - 1))
    best = (
        scored.filter(pl.col("score") > 0)
        .with_columns(
            near=pl.col("date").eq_missing(pl.lit(here.night, pl.Date())),
            beside=pl.col("line").eq_missing(pl.lit(here.line, pl.String())),
        )
        .sort(
            *("score", "near", "beside", "date", "line", "coil"),
            descending=[True, True, True, True, False, False],
            nulls_last=True,
        )
        .head(most)
    )
    return [(row["score"], _coil(row["date"], row["line"], row["coil"])) for row in best.iter_rows(named=True)]


def _coil(night: dt.date, line: str | None, coil: str) -> Hit:
    about = f"{line or 'no line'}, {formats.night(night)}"
    return Hit("coil", coil, about, "coil", links.of_coil(night, line, coil))


def _of(asked: Asked, plant: Plant, here: Here) -> dt.date | None:
    """The night that is meant: the one that is named, else the one that is looked at, else the latest."""
    if asked.when is not None:
        return asked.when.night if asked.when.night in plant.nights else None
    return here.night if here.night in plant.nights else plant.nights[-1] if plant.nights else None


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _FEW
    return ", ".join(names[:_FEW]) + (f" and {rest} more" if rest > 0 else "")
