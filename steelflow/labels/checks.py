"""What a label, a class or a person can be called."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Callable, Collection

from steelflow.errors import LONG_NAME, shown
from steelflow.labels.batches import Label
from steelflow.labels.boxes import problem_of_box

MAX_NAME = 100  # characters of a class, a person or a source
MAX_NOTE = 2000

_AHEAD = dt.timedelta(days=1)  # tolerance for wrong clocks of other machines


def unknown_class(name: str, known: Collection[str]) -> str:
    """The message for an unknown class, with the class that may have been meant."""
    return f"{shown(name, LONG_NAME)} is not a known class; {similar(name, known)} Use --new-class for a new one"


def similar(name: str, known: Collection[str]) -> str:
    """The class that may have been meant by ``name``, or all of them."""
    close = difflib.get_close_matches(name, sorted(known), 1)
    return f"did you mean {close[0]!r}?" if close else f"the known classes are: {', '.join(sorted(known)) or 'none'}."


def bad_name(name: str) -> str | None:
    """Why this cannot be the name of a class, which becomes a column and a folder. None if it can."""
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > MAX_NAME:
        return f"{shown(name)} is not a valid name; use 1 to {MAX_NAME} printable characters"
    if name.startswith(".") or "/" in name or "\\" in name:
        return f"{shown(name, LONG_NAME)} is not a valid name for a folder"
    return None


def problem_of(label: Label, now: Callable[[], dt.datetime]) -> str | None:
    """What is invalid in a label, independent of the store. None if nothing is.

    Args:
        now: tells the time by the clock of the label store; it is asked if the label has a time.
    """
    if not re.fullmatch("[0-9a-f]{64}", label.image):
        return f"image {shown(label.image)} is not a SHA-256 in hex"
    for what in (label.who, label.source):
        if not what.strip() or not what.isprintable() or len(what) > MAX_NAME:
            return f"who and source need a name of 1 to {MAX_NAME} printable characters, not {shown(what)}"
    if label.note is not None and len(label.note) > MAX_NOTE:
        return f"the note is too long; use at most {MAX_NOTE} characters"
    if label.at is not None and label.at.tzinfo is None:
        return f"the time {label.at} has no time zone"
    if label.at is not None and label.at > (today := now()) + _AHEAD:
        return f"the time {label.at} is in the future: it is {today:%Y-%m-%d %H:%M} UTC by the clock of the label store"
    if (why := problem_of_box((label.x, label.y, label.width, label.height), label.verdict)) is not None:
        return why
    return None if label.label is None else bad_name(label.label)
