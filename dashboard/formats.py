"""How numbers, dates and texts are shown."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

_MARKDOWN = re.compile(r"([!-/:-@\[-`{-~])")
_THIN = "\u2009"
_LINKED = re.compile(r"\\[:@]|www(?=\\\.)", re.IGNORECASE)
_ARROW = re.compile(r"\\[-<>~](?=\\[-=>])")  # Streamlit makes one sign of -> <- -- >= <= ~=
_JOINER = "\u2060"
NOTHING = "–"


def plain(text: object) -> str:
    """A text from outside, escaped for Markdown: Streamlit shows it unchanged.

    A word joiner keeps ``:name:`` from becoming an icon, and addresses (``a@b.example``, ``www.b.example``, ``://``)
    from becoming links, and ``->`` from becoming an arrow. Line breaks and control characters become spaces.
    """
    printable = "".join(char if char.isprintable() else " " for char in str(text))
    escaped = _LINKED.sub(rf"\g<0>{_JOINER}", _MARKDOWN.sub(r"\\\1", printable))
    return _ARROW.sub(rf"\g<0>{_JOINER}", escaped)


def in_badge(text: object) -> str:
    """A text from outside for ``st.badge``, which escapes brackets itself."""
    return plain(text).replace("\\[", "[").replace("\\]", "]")


def count(number: float | None) -> str:
    """12,345"""
    return NOTHING if number is None else f"{number:,.0f}"


def noun(number: float, one: str) -> str:
    """The word for a number of things: 1 image, 2 images."""
    return one if number == 1 else f"{one}s"


def share(value: float | None, digits: int = 1) -> str:
    """A share as a percentage: 12.3 %"""
    return NOTHING if value is None else f"{100 * value:.{digits}f}{_THIN}%"


def percent(value: object) -> float | None:
    """A share as a number of percent, for the columns of a table; None for what is no number."""
    return 100 * value if isinstance(value, float | int) else None


def points(value: float | None) -> str | None:
    """A difference of shares in percentage points, with sign."""
    return None if value is None else f"{100 * value:+.1f} points"


def night(date: dt.date | None) -> str:
    """Wed 18 Nov 2026"""
    return NOTHING if date is None else date.strftime("%a %d %b %Y")


def moment(iso: str | dt.datetime | None, zone: str) -> str:
    """18 Nov 02:31, in the plant's time zone."""
    if iso is None:
        return NOTHING
    at = dt.datetime.fromisoformat(iso) if isinstance(iso, str) else iso
    return at.astimezone(ZoneInfo(zone)).strftime("%d %b %H:%M")


def duration(seconds: float | None) -> str:
    """42 s, 3 min 20 s, 1 h 05 min"""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{seconds:.1f}{_THIN}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{_THIN}s"
    if whole < 3600:
        return f"{whole // 60}{_THIN}min {whole % 60:02d}{_THIN}s"
    return f"{whole // 3600}{_THIN}h {whole % 3600 // 60:02d}{_THIN}min"


def class_name(label: str | None) -> str:
    """pitted_surface → pitted surface"""
    return "unreadable" if label is None else label.replace("_", " ")
