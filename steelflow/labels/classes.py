"""Classes that people retired, renamed or merged. The labels stay as they were given: a change says what their names
mean from now on.

classes/00000003.json    a change: the class, its new name, who and why

Changes are only added, and count in the order of their numbers. A retired class is not learnt and not asked for; it can
be restored.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import polars as pl

from steelflow.errors import BucketNotFound, LabelError, LockHeld, ObjectExists, StoreError
from steelflow.labels.checks import bad_name, similar
from steelflow.labels.names import nfc
from steelflow.store.base import Store
from steelflow.store.clock import store_time
from steelflow.store.lock import locked

ClassAction = Literal["retire", "restore", "rename", "merge"]

_FOLDER = "classes/"
_LOCK = "locks/classes"
_WAIT = 60.0  # seconds
_DONE = {"retire": "retired", "restore": "restored", "rename": "renamed", "merge": "merged"}


@dataclass(frozen=True, slots=True)
class ClassChange:
    """One change. ``into`` is the new name, or the class that it became part of; None for the other actions."""

    number: int
    action: ClassAction
    name: str
    into: str | None
    who: str
    reason: str
    at: dt.datetime

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat()}

    def __str__(self) -> str:
        to = {"rename": f" to {self.into!r}", "merge": f" into {self.into!r}"}.get(self.action, "")
        return f"{self.name!r} was {_DONE[self.action]}{to} by {self.who} on {self.at:%Y-%m-%d} ({self.reason})"


class Classes:
    """What the names of classes mean after ``changes``, in their order."""

    def __init__(self, changes: Iterable[ClassChange] = ()) -> None:
        self.changes = tuple(changes)
        self._now: dict[str, str] = {}
        self._made: dict[str, ClassChange] = {}
        self._retired: dict[str, ClassChange] = {}
        for one in self.changes:
            if one.action == "retire":
                self._retired[one.name] = one
            elif one.action == "restore":
                self._retired.pop(one.name, None)
            elif one.into is not None:
                self._move(one, one.into)

    def _move(self, change: ClassChange, into: str) -> None:
        for name in {change.name, *(old for old, now in self._now.items() if now == change.name)}:
            self._now[name] = into
            self._made[name] = change
        self._now.pop(into, None)  # a name that comes back means itself again
        self._made.pop(into, None)
        if change.name in self._retired:
            self._retired[into] = self._retired.pop(change.name)

    def now(self, name: str) -> str:
        """What the class ``name`` is called today."""
        return self._now.get(nfc(name), nfc(name))

    def is_retired(self, name: str) -> bool:
        return self.now(name) in self._retired

    @property
    def retired(self) -> Mapping[str, ClassChange]:
        """The retired classes, with the change that retired them."""
        return self._retired

    @property
    def moved(self) -> Mapping[str, str]:
        """Earlier names, with those of today."""
        return self._now

    def change_of(self, name: str) -> ClassChange | None:
        """The change that retired the class, or gave it another name; None if it counts as it is."""
        return self._retired.get(self.now(name)) or self._made.get(nfc(name))

    def offered(self, names: Iterable[str]) -> list[str]:
        """The classes that can be given to an image, by today's names, in the order of ``names``."""
        return [name for name in dict.fromkeys(map(self.now, names)) if name not in self._retired]

    def today(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with today's names in the column ``label``."""
        label = pl.col("label").str.normalize("NFC")
        return rows.with_columns(label.replace(dict(self._now)) if self._now else label)

    def without_retired(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows, with today's names in ``label``, whose class is not retired."""
        if not self._retired:
            return rows
        return rows.filter(pl.col("label").is_null() | ~pl.col("label").is_in(list(self._retired)))


def read_classes(store: Store) -> Classes:
    """The changes so far.

    Raises:
        LabelError: a change is missing or damaged.
    """
    try:
        keys = sorted(info.key for info in store.list(_FOLDER) if info.key.endswith(".json"))
    except BucketNotFound:
        return Classes()
    found = []
    for number, (key, data) in enumerate(store.get_many(keys), 1):
        if isinstance(data, StoreError) or key != _key(number):
            raise LabelError(f"{store.uri}/{_key(number)}: is missing, a change of a class; restore it from a backup")
        found.append(_parse(data, f"{store.uri}/{key}", number))
    return Classes(found)


def change_class(
    store: Store,
    action: ClassAction,
    name: str,
    into: str | None,
    *,
    known: Collection[str],
    who: str,
    reason: str,
    good: Collection[str] = (),
) -> ClassChange | None:
    """Retire, restore, rename or merge the class ``name``. None if it is so already.

    Args:
        known: the names of all classes, of labels and of models.
        good: the classes that mean "no defect"; they cannot be changed.

    Raises:
        LabelError: no such class, a name that is taken or invalid, or no person or reason. Nothing was changed.
        LockHeld: another process is changing classes.
    """
    name, into, who = nfc(name).strip(), None if into is None else nfc(into).strip(), nfc(who)
    if not who.strip() or not reason.strip():
        raise LabelError("a change of a class needs a name and a reason; give --who and --reason")
    try:
        with locked(store, _LOCK, f"a change of the classes in {store.uri}", _WAIT):
            classes = read_classes(store)
            if _is_so(classes, action, name, into):
                return None
            if why := _refusal(classes, action, name, into, known, good):
                raise LabelError(f"{why}; nothing was changed")
            number = len(classes.changes) + 1
            made = ClassChange(number, action, name, into, who, reason.strip(), store_time(store))
            store.put_new(_key(number), (json.dumps(made.to_dict(), indent=1, ensure_ascii=False) + "\n").encode())
    except ObjectExists as exc:
        raise LabelError(f"{store.uri}: another process changed the classes; run the command again") from exc
    except LockHeld as exc:
        raise LockHeld(f"{str(exc).partition(';')[0]}; try again when it has ended") from exc
    return made


def _is_so(classes: Classes, action: ClassAction, name: str, into: str | None) -> bool:
    if action == "retire":
        return name in classes.retired
    return action in ("rename", "merge") and classes.moved.get(name) == into


def _refusal(
    classes: Classes,
    action: ClassAction,
    name: str,
    into: str | None,
    known: Collection[str],
    good: Collection[str],
) -> str | None:
    there = {classes.now(one) for one in known} | set(classes.retired)
    if name in {classes.now(one) for one in good}:
        return f"{name!r} is the class of good surface, which every model of this kind needs"
    if name in classes.moved:
        return f"{classes.change_of(name)}; use {classes.now(name)!r}"
    if action == "restore":
        retired = ", ".join(sorted(classes.retired)) or "none"
        return None if name in classes.retired else f"{name!r} is not retired; the retired classes are: {retired}"
    if name not in there:
        return f"{name!r} is not a known class; {similar(name, there)}"
    if into is None:
        return None if action == "retire" else "give the new name"
    if name in classes.retired:
        return f"{classes.retired[name]}; restore it first with `steelflow labels restore`"
    if into in classes.retired:
        return f"{classes.retired[into]}; restore it first with `steelflow labels restore`, or use another name"
    if action == "merge":
        if into == name or into not in there:
            return f"{into!r} is not another known class to merge {name!r} into; {similar(into, there - {name})}"
        return None
    if into in there:
        return f"{into!r} is a class already; `steelflow labels merge` joins the two"
    return bad_name(into)


def _key(number: int) -> str:
    return f"{_FOLDER}{number:08d}.json"


def _parse(data: bytes, where: str, number: int) -> ClassChange:
    try:
        fields = json.loads(data)
        one = ClassChange(**{**fields, "at": dt.datetime.fromisoformat(fields["at"])})
        sound = one.number == number and one.action in get_args(ClassAction) and isinstance(one.name, str)
        sound = sound and (one.action in ("rename", "merge")) == isinstance(one.into, str)
    except (ValueError, TypeError, KeyError):
        sound = False
    if not sound:
        raise LabelError(f"{where}: was changed by hand; restore it from a backup")
    return one
