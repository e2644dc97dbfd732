"""Nights as people write them: 2026-11-17, 17.11., 17 nov, last tuesday, yesterday. No Streamlit."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

_DAYS = tuple(name.lower() for name in calendar.day_name)
_MONTHS = tuple(name.lower() for name in calendar.month_name)  # the first is empty
_NUMBERED = re.compile(r"(\d{1,2})(?:st|nd|rd|th|\.)?,?")
_DOTTED = re.compile(r"(\d{1,2})[./](\d{1,2})(?:[./](\d{4}|\d{2})?)?")
_YEAR = re.compile(r"(?:19|20)\d\d")
_PHRASE = 3  # words of the longest phrase
_LATEST = {("last", "night"), ("tonight",), ("latest",), ("latest", "night")}


@dataclass(frozen=True, slots=True)
class When:
    """A night that a text names. ``first`` and ``last`` are the words that name it, ``last`` excluded. ``usual`` is the
    night that the calendar says, if it has no images and ``night`` is the next earlier one that has some."""

    night: dt.date
    first: int
    last: int
    usual: dt.date | None = None


def when(words: Sequence[str], nights: Sequence[dt.date], today: dt.date) -> When | None:
    """The first night that the words name; the longest phrase counts.

    A weekday, and a day without a year, mean the latest such night that there is. Every other date is taken as it is,
    whether there is such a night or not.

    Args:
        words: in lower case.
        nights: those that there are, ascending.
    """
    for first in range(len(words)):
        for last in range(min(first + _PHRASE, len(words)), first, -1):
            found = _named(tuple(words[first:last]), nights, today)
            if found is not None:
                night, usual = found
                return When(night, first, last, usual)
    return None


Found = tuple[dt.date, dt.date | None] | None


def _named(phrase: tuple[str, ...], nights: Sequence[dt.date], today: dt.date) -> Found:
    if phrase in _LATEST:
        return (nights[-1] if nights else today), None
    if phrase == ("today",):
        return today, None
    if phrase == ("yesterday",):
        return today - dt.timedelta(days=1), None
    if len(phrase) == 3 and phrase[1:] in (("days", "ago"), ("nights", "ago")) and phrase[0].isdecimal():
        return today - dt.timedelta(days=min(int(phrase[0][:4]), 9999)), None
    day = _weekday(phrase[-1])
    if day is not None and phrase[:-1] in ((), ("last",)):
        return _latest_weekday(day, nights, today, strict=len(phrase) == 2)
    if len(phrase) == 1:
        return _written(phrase[0], nights, today)
    return _in_words(phrase, nights, today)


def _weekday(word: str) -> int | None:
    """0 for Monday. Two letters are enough."""
    fitting = [number for number, name in enumerate(_DAYS) if len(word) >= 2 and name.startswith(word)]
    return fitting[0] if len(fitting) == 1 else None


def _latest_weekday(day: int, nights: Sequence[dt.date], today: dt.date, strict: bool) -> Found:
    back = (today.weekday() - day) % 7
    usual = today - dt.timedelta(days=back or (7 if strict else 0))
    there = [night for night in nights if night.weekday() == day and night <= usual]
    if not there:
        return usual, None
    return there[-1], (None if there[-1] == usual else usual)


def _written(word: str, nights: Sequence[dt.date], today: dt.date) -> Found:
    """One word: 2026-11-17, 20261117 (if there is such a night), 17.11.2026, 17.11."""
    try:
        date = dt.date.fromisoformat(word)
    except ValueError:
        date = None
    if date is not None:
        return (date, None) if "-" in word or date in nights else None
    dotted = _DOTTED.fullmatch(word)
    if dotted is None or not (dotted[3] or word.endswith((".", "/")) or "/" in word):
        return None
    year = int(dotted[3]) if dotted[3] else None
    return _of_day(int(dotted[1]), int(dotted[2]), None if year is None else year + 2000 * (year < 100), nights, today)


def _in_words(phrase: tuple[str, ...], nights: Sequence[dt.date], today: dt.date) -> Found:
    """17 nov, nov 17, 17 november 2026."""
    *two, rest = (*phrase, "")[:3]
    if len(phrase) == 3 and _YEAR.fullmatch(rest) is None:
        return None
    day, month = _NUMBERED.fullmatch(two[0]), _month(two[1])
    if day is None or month is None:
        day, month = _NUMBERED.fullmatch(two[1]), _month(two[0])
    if day is None or month is None:
        return None
    return _of_day(int(day[1]), month, int(rest) if rest else None, nights, today)


def _month(word: str) -> int | None:
    """Three letters are enough."""
    fitting = [number for number, name in enumerate(_MONTHS) if len(word) >= 3 and name.startswith(word.rstrip(".,"))]
    return fitting[0] if len(fitting) == 1 else None


def _of_day(day: int, month: int, year: int | None, nights: Sequence[dt.date], today: dt.date) -> Found:
    """Without a year: the latest such night, else the latest such day."""
    there = [night for night in nights if (night.day, night.month) == (day, month) and year in (None, night.year)]
    if there:
        return there[-1], None
    for asked in [year] if year is not None else [today.year - back for back in range(5)]:
        try:
            date = dt.date(asked, month, day)
        except ValueError:
            continue
        if year is not None or date <= today:
            return date, None
    return None
