"""What sidecars say about images, joined to what their keys say."""

from __future__ import annotations

import datetime as dt
import math
import unicodedata
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import groupby

from steelflow.archive.shard import too_large
from steelflow.archive.sidecar import MAX_BYTES, SPLIT, SidecarError, raw_rows
from steelflow.archive.template import Fields
from steelflow.errors import LONG_NAME, ObjectNotFound, ObjectUnreadable, shown
from steelflow.records import Failure, ObjectInfo
from steelflow.store.base import Store

_SAMPLE = 10
_NAMES = 3
_LONGEST = 255
_FRAMES = 2**31
_FIELDS = ("coil", "position", "captured_at", "camera", "side", "frame", "mm_across", "mm_along", "grade")


@dataclass(slots=True)
class SidecarErrors:
    """Problems of sidecars: all are counted, the first few are named.

    ``unused`` has the sidecars that name images which the unit lacks, by key: their number of names, how many of them
    the unit has, and a few that it lacks. Other units may have them.
    """

    count: int = 0
    sample: list[str] = field(default_factory=list)
    unused: dict[str, tuple[int, int, tuple[str, ...]]] = field(default_factory=dict)

    def add(self, text: str) -> None:
        self.count += 1
        if len(self.sample) < _SAMPLE:
            self.sample.append(text[:400])

    def add_of(self, key: str, text: str) -> None:
        self.add(f"{key}: {text}")


def canonical(path: str) -> str:
    """One spelling of a path: ``/`` between folders, no ``./`` at its start, composed characters (NFC)."""
    path = path.replace("\\", "/").replace("/./", "/")
    while path.startswith("./"):
        path = path[2:]
    return path if path.isascii() else unicodedata.normalize("NFC", path)


@dataclass(slots=True)
class _File:
    """A sidecar that was read: how many of its rows name an image, how many of these were refused, which of them
    matter here, and a few that do not."""

    key: str
    total: int = 0
    refused: int = 0
    kept: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


class Described:
    """The rows of a unit's sidecars, by the path of the image.

    Args:
        wanted: the paths of the unit's images in ``canonical`` form; None keeps all rows.
        zone: of times without one.
    """

    def __init__(self, errors: SidecarErrors, wanted: Collection[str] | None = None, zone: dt.tzinfo = dt.UTC) -> None:
        self._errors = errors
        self._wanted = wanted
        self._zone = zone
        self._rows: dict[str, Fields] = {}
        self._files: list[_File] = []
        self._used: set[str] = set()

    def __bool__(self) -> bool:
        """Whether a sidecar gives anything: if not, an image costs nothing."""
        return bool(self._rows)

    def load(self, store: Store, sidecars: Iterable[ObjectInfo]) -> None:
        """Read sidecars from the store. Inner folders override outer ones.

        Raises:
            StoreError: the store failed, or a sidecar was replaced after it was listed. Try the unit again.
        """
        ordered = sorted(sidecars, key=lambda info: (info.key.count("/"), info.key))
        for folder, files in groupby(ordered, key=lambda info: info.key[: info.key.rfind("/") + 1]):
            self.add(folder, ((info.key, _fetched(store, info)) for info in files))

    def add(self, folder: str, files: Iterable[tuple[str, bytes | Failure]]) -> None:
        """Read the sidecars of one folder. A name that occurs twice in them has no row."""
        level: dict[str, Fields | None] = {}
        for key, data in files:
            file = _File(key)
            self._files.append(file)
            warn = partial(self._errors.add_of, key)
            try:
                if isinstance(data, Failure):
                    raise SidecarError(str(data))
                for where, raw in raw_rows(key, data, warn):
                    self._take(file, canonical(folder), f"{key} {where}", raw, level)
            except SidecarError as exc:
                warn(str(exc))
        for path, fields in level.items():
            if fields is not None:
                outer = self._rows.get(path)
                self._rows[path] = fields if outer is None else completed(outer, fields)

    def of(self, path: str, fields: Fields, shard: str | None = None) -> Fields:
        """``fields`` of the key, completed by the sidecars' row for ``path``. A member of a ``shard`` may also be
        named with the name of the shard before it."""
        for name in (canonical(path), *(() if shard is None else (canonical(shard),))):
            row = self._rows.get(name)
            if row is not None:
                self._used.add(name)
                fields = completed(fields, row)
        return fields

    def end(self) -> None:
        """Call after the last image: tells which names were not used."""
        for file in self._files:
            used = file.refused + sum(path in self._used for path in file.kept)
            if used < file.total:
                others = file.others + [path for path in file.kept if path not in self._used][:_NAMES]
                self._errors.unused[file.key] = (file.total, used, tuple(others[:_NAMES]))

    def _take(
        self, file: _File, folder: str, where: str, raw: dict[str, object], level: dict[str, Fields | None]
    ) -> None:
        name = raw.get("name")
        if not isinstance(name, str) or not name.strip():
            self._errors.add(f"{where}: has no name")
            return
        file.total += 1
        path = folder + canonical(name.strip())
        if self._wanted is not None and path not in self._wanted:
            if len(file.others) < _NAMES:
                file.others.append(path[:_LONGEST])
        elif path in level:
            self._errors.add(f"{where}: {shown(name, LONG_NAME)} is named twice; none of its rows is used")
            level[path] = None
            file.refused += 1
            self._used.add(path)
        else:
            level[path] = self._fields(where, raw)
            file.kept.append(path)

    def _fields(self, where: str, raw: dict[str, object]) -> Fields:
        values: dict[str, object] = {}
        for column in _FIELDS:
            value = raw.get(column)
            if isinstance(value, str):
                value = value.strip()
            if value is None or value == "" or value != value:  # NaN is how some tables say "missing"
                continue
            try:
                values[column] = _moment(value, self._zone) if column == "captured_at" else _READ[column](value)
            except (ValueError, OverflowError, TypeError) as exc:
                self._errors.add(f"{where}: {column} {shown(value)} {exc}; the value is not used")
        return Fields(**values)  # type: ignore[arg-type]  # each value has the type that its reader gives


def completed(fields: Fields, over: Fields) -> Fields:
    """``fields``, with the values that ``over`` has instead. Line and date stay."""
    return Fields(*fields[:2], *(old if new is None else new for old, new in zip(fields[2:], over[2:], strict=True)))  # type: ignore[arg-type]  # both have the types of Fields


def _fetched(store: Store, info: ObjectInfo) -> bytes | Failure:
    if info.size > MAX_BYTES:
        return too_large(info.size, MAX_BYTES, SPLIT)
    try:
        return store.get(info.key, etag=info.etag)
    except ObjectNotFound:
        return Failure("missing", "was deleted after it was listed")
    except ObjectUnreadable as exc:
        return Failure(exc.code, str(exc))


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a table with gaps holds whole numbers as 4711.0
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("is not a text")
    text = str(value)
    if len(text) > _LONGEST or not text.isprintable():
        raise ValueError(f"has more than {_LONGEST} characters, or a line break")
    return unicodedata.normalize("NFC", text)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError("is not a number")
    try:
        number = float(value)
    except ValueError:
        raise ValueError("is not a number") from None
    if not math.isfinite(number) or abs(number) > 1e9:
        raise ValueError("is out of range")
    return number


def _scale(value: object) -> float:
    number = _number(value)
    if number <= 0:
        raise ValueError("is not above 0")
    return number


def _frame(value: object) -> int:
    number = _number(value)
    if not number.is_integer() or not 0 <= number < _FRAMES:
        raise ValueError("is not a whole number from 0")
    return int(number)


def _moment(value: object, zone: dt.tzinfo) -> dt.datetime:
    if isinstance(value, str) and len(value) > len("2026-11-18"):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("is not a time such as 2026-11-18T23:15:00Z") from None
    if not isinstance(value, dt.datetime):
        raise ValueError("is not a time such as 2026-11-18T23:15:00Z")
    return (value.replace(tzinfo=zone) if value.tzinfo is None else value).astimezone(dt.UTC)


_READ: dict[str, Callable[[object], object]] = {
    "coil": _text,
    "position": _number,
    "camera": _text,
    "side": _text,
    "frame": _frame,
    "mm_across": _scale,
    "mm_along": _scale,
    "grade": _text,
}
