"""The layout of an archive's keys: ``line={line}/date={date}/coil={coil}/{name}``."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from steelflow.archive.names import kind_of
from steelflow.errors import ConfigError

_TEXT = "[^/]{1,255}?"  # the shortest match; bounded, so a hostile key cannot make a match slow
_PATTERNS = {
    "line": _TEXT,
    "date": "[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4}_[0-9]{2}_[0-9]{2}|[0-9]{4}[.][0-9]{2}[.][0-9]{2}",
    "year": "[0-9]{4}",
    "month": "[0-9]{1,2}",
    "day": "[0-9]{1,2}",
    "hour": _TEXT,
    "shift": _TEXT,
    "coil": _TEXT,
    "position": r"-?[0-9]{1,9}(?:\.[0-9]{1,9})?",
    "captured_at": "[0-9]{4}-?[0-9]{2}-?[0-9]{2}T[0-9]{2}:?[0-9]{2}:?[0-9]{2}(?:[.,][0-9]{1,9})?"
    "(?:Z|[+-][0-9]{2}:?[0-9]{2})?",
    "camera": _TEXT,
    "side": _TEXT,
    "frame": "[0-9]{1,9}",
    "name": ".+",
}
_DAY = ("year", "month", "day")
NIGHTLY = frozenset(("line", "date", *_DAY))  # the fields that say to which night an image belongs
_FOLDERS = 1024  # cached answers
_EXAMPLE = "line={line}/date={date}/coil={coil}/{name}"


class Fields(NamedTuple):
    """What is known of an image, in the order of ``RawImage``. ``position`` is metres from the coil's head;
    ``captured_at`` is in UTC. The last three are never in a key: a sidecar gives them."""

    line: str | None = None
    date: dt.date | None = None
    coil: str | None = None
    position: float | None = None
    captured_at: dt.datetime | None = None
    camera: str | None = None
    side: str | None = None
    frame: int | None = None
    mm_across: float | None = None
    mm_along: float | None = None
    grade: str | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """One folder of a template: the fields in its name, and what its name looks like."""

    fields: frozenset[str]
    pattern: re.Pattern[str]


class KeyTemplate:
    """A key template, parsed once.

    Fields, each at most once: ``{line}``, ``{date}`` (2026-11-18, 20261118, 2026_11_18 or 2026.11.18) or ``{year}``,
    ``{month}`` and ``{day}``, ``{hour}`` and ``{shift}`` (any text, which is not used), ``{coil}``, ``{position}``
    (metres), ``{captured_at}`` (20261118T231500Z or any ISO form; without a zone it is in ``zone``), ``{camera}``,
    ``{side}`` (of the strip), ``{frame}`` (its number, digits only), and ``{name}`` at the end, which is required. Only
    ``{name}`` may contain a ``/``. Other values have at most 255 characters. If two matches are possible, the earlier
    field takes the shorter text. Line and date must be in folders: then one night is found without listing all the
    others. Without a date, ``{captured_at}`` gives it, in ``zone``: then all objects are listed. Fixed words match in
    upper and lower case. Texts are read in composed form (NFC), whatever the operating system wrote.

    Raises:
        ConfigError: the template is malformed; the message says how to correct it.
    """

    def __init__(self, text: str, zone: str = "UTC") -> None:
        _check(text)
        self.text = text
        self.zone = ZoneInfo(zone)
        named = frozenset(_parts(text)[1::2])
        # Without a date in the folders, the night of an image is the day on which it was taken.
        self.dated_by_time = "captured_at" in named and not named & {"date", *_DAY}
        self.fields = named | (frozenset(("date",)) if "year" in named or self.dated_by_time else frozenset())
        *folders, file = text.split("/")
        self.levels = tuple(_level(folder) for folder in folders)
        self.nightly_depth = max((i for i, level in enumerate(self.levels, 1) if level.fields & NIGHTLY), default=0)
        # An atomic group per folder: the match of one folder is not tried again if a later folder fails.
        above = "".join(f"(?>{_regex(folder)}/)" for folder in folders)
        self._pattern = re.compile(above + _regex(file), re.DOTALL)
        self._folders = re.compile(above + ".+", re.DOTALL)
        self.any_name = file == "{name}"
        # The folders decide, and a million images of a night are in few folders.
        self._in_folder = lru_cache(_FOLDERS)(lambda folder: self._matched(f"{folder}x"))

    def __repr__(self) -> str:
        return f"KeyTemplate({self.text!r})"

    def match(self, path: str) -> Fields | None:
        """The fields of a key. None if it does not fit the template or has an impossible date."""
        if not self.any_name:
            return self._matched(path)
        name = path.split("/", len(self.levels))[-1]
        return self._in_folder(path[: len(path) - len(name)]) if name else self._matched(path)

    def of_folders(self, path: str) -> Fields | None:
        """The fields in the folders of a key, if its file name does not fit: a shard among images that are named by
        position, or a misnamed image, still belongs to its coil. None if the folders do not fit either."""
        found = self._folders.fullmatch(path)
        return None if found is None else fields_of(found.groupdict(), self.zone)

    def read(self, path: str) -> Fields:
        """All fields that a key gives; there may be none."""
        return self.match(path) or self.of_folders(path) or Fields()

    def day_of(self, path: str) -> dt.date | None:
        """The day on which an image was taken, by its key and in the plant's zone; None if the key has no time."""
        fields = self.match(path)
        moment = None if fields is None else fields.captured_at
        return None if moment is None else moment.astimezone(self.zone).date()

    def _matched(self, path: str) -> Fields | None:
        found = self._pattern.fullmatch(path)
        return None if found is None else fields_of(found.groupdict(), self.zone)


class Members:
    """The fields of a shard's members, together with the fields of the shard's key.

    A member's name is a file name beside the shard, or a whole key. Packers of Windows write ``\\`` between folders.
    """

    def __init__(self, template: KeyTemplate, key: str) -> None:
        self._template = template
        self._folder = key[: key.rfind("/") + 1]
        self._shard = template.read(key)
        # Where any name fits, the folders alone decide, and the images of a shard are in few.
        self._in_folder = lru_cache(_FOLDERS)(lambda folder: self._read(f"{folder}x")) if template.any_name else None

    def read(self, member: str | None) -> Fields:
        """The member's own values, if its name has them. Line and date are those of the shard."""
        if member is None:
            return self._shard
        name = outside(member.replace("\\", "/").removeprefix("./"))
        folder = name[: name.rfind("/") + 1]
        return self._in_folder(folder) if self._in_folder and len(folder) < len(name) else self._read(name)

    def _read(self, name: str) -> Fields:
        shard, template = self._shard, self._template
        beside = self._folder + name
        own = template.match(beside) or template.match(name) or template.of_folders(beside) or template.of_folders(name)
        if own is None or own is shard:
            return shard
        return Fields(
            shard.line or own.line,
            shard.date or own.date,
            own.coil or shard.coil,
            shard.position if own.position is None else own.position,
            own.captured_at or shard.captured_at,
            own.camera or shard.camera,
            own.side or shard.side,
            shard.frame if own.frame is None else own.frame,
        )


def outside(member: str) -> str:
    """A member's path as if the shards within its shard were unpacked where they lie: ``a/b.tar/c.jpg`` is
    ``a/c.jpg``."""
    folder = member[: member.rfind("/") + 1]
    if "." not in folder:
        return member
    parts = folder.split("/")
    return "/".join(part for part in parts if kind_of(part) != "shard") + member[len(folder) :]


def fields_of(groups: Mapping[str, str], zone: dt.tzinfo = dt.UTC) -> Fields | None:
    """Matched text as values. None if a date or time is impossible (2026-02-30)."""
    get = groups.get
    date, position, captured_at, frame = get("date"), get("position"), get("captured_at"), get("frame")
    try:
        if get("day"):
            date = f"{get('year')}-{int(groups['month']):02}-{int(groups['day']):02}" if get("year") else None
        return Fields(
            _composed(get("line")),
            _date(date) if date else None,
            _composed(get("coil")),
            float(position) if position else None,
            _moment(captured_at, zone) if captured_at else None,
            _composed(get("camera")),
            _composed(get("side")),
            int(frame) if frame else None,
        )
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=1024)
def _date(text: str) -> dt.date:
    return dt.date.fromisoformat(text.replace("_", "-").replace(".", "-"))


def _composed(text: str | None) -> str | None:
    return text if text is None or text.isascii() else unicodedata.normalize("NFC", text)


def _moment(text: str, zone: dt.tzinfo) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return (moment.replace(tzinfo=zone) if moment.tzinfo is None else moment).astimezone(dt.UTC)


def _check(text: str) -> None:
    """Refuse a malformed template; the error names the first fault."""
    literals, fields = _parts(text)[::2], _parts(text)[1::2]
    problem = None
    if not text:
        problem = "it is empty"
    elif stray := set("".join(literals)) & set("{}"):
        problem = f"an unbalanced {min(stray)}; write each field as {{field}}"
    elif unknown := next((field for field in fields if field not in _PATTERNS), None):
        problem = f"unknown field {{{unknown}}}; the fields are {', '.join(f'{{{known}}}' for known in _PATTERNS)}"
    elif "" in fields:
        problem = "a field without a name: {}"
    elif repeated := next((field for field in fields if fields.count(field) > 1), None):
        problem = f"{{{repeated}}} occurs twice; keep one"
    elif not text.endswith("{name}"):
        problem = "it must end with {name}, which stands for the rest of the key"
    elif "" in literals[1:-1]:
        problem = "two fields have nothing between them; put a separator such as _ there"
    elif text.startswith("/") or "//" in text:
        problem = "it has a folder without a name; remove the extra /"
    elif "date" in fields and set(_DAY) & set(fields):
        problem = "it has {date} and also {year}, {month} or {day}; keep one form"
    elif lacking := [field for field in _DAY if field not in fields and set(_DAY) & set(fields)]:
        problem = f"{{year}}, {{month}} and {{day}} go together; {{{lacking[0]}}} is missing"
    elif misplaced := NIGHTLY & set(_parts(text.rpartition("/")[2])):
        problem = f"{{{min(misplaced)}}} is in the file name; put it in a folder or leave it out"
    if problem:
        raise ConfigError(f"archive.template {text!r}: {problem} (an example: {_EXAMPLE})")


def _level(folder: str) -> Level:
    fields = frozenset(_parts(folder)[1::2])
    return Level(fields, re.compile(_regex(folder), re.DOTALL))


def _regex(segment: str) -> str:
    """The pattern of a segment. ``{name}`` has no group: its value is not used. Fixed words match in either case."""
    parts = _parts(segment)
    parts[::2] = [f"(?i:{re.escape(word)})" if word else "" for word in parts[::2]]
    parts[1::2] = [".+" if field == "name" else f"(?P<{field}>{_PATTERNS[field]})" for field in parts[1::2]]
    return "".join(parts)


def _parts(text: str) -> list[str]:
    """Literal, field, literal, field, …, literal."""
    return re.split(r"\{([^{}]*)\}", text)
