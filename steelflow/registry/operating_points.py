"""Operating points that people set for a model after its training, for one line or for all.

operating-points/<digest>/00000003.json    a change: the line, the point, who and when

They belong to the digest of the ONNX file, so a shipped model has them too, and the successor of a model starts with
its own point. The newest change of a line counts. Changes are only added.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from steelflow.errors import BucketNotFound, LockHeld, ObjectExists, RegistryError, StoreError
from steelflow.models.spec import ModelSpec
from steelflow.store.base import Store
from steelflow.store.clock import store_time
from steelflow.store.lock import locked

Change = Literal["set", "reset"]

_FOLDER = "operating-points"
_LOCK = "locks/operating-points"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_WAIT = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class PointChange:
    """One change. ``line`` is None for all lines. ``point`` is None for a reset."""

    number: int
    change: Change
    line: str | None
    point: float | None
    who: str
    reason: str
    at: dt.datetime

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat()}


def points_of(store: Store, digest: str) -> Mapping[str | None, float]:
    """The points that were set for the model with this digest, by line; None is for all lines without their own.

    Empty if none was set: the model's own point counts then.

    Raises:
        RegistryError: a change is damaged or missing.
        StoreError: the store cannot be reached.
    """
    return current(changes_of(store, digest))


def current(changes: Sequence[PointChange]) -> dict[str | None, float]:
    """The points after these changes. A reset without a line removes those of all lines."""
    found: dict[str | None, float] = {}
    for one in changes:
        if one.point is not None:
            found[one.line] = one.point
        elif one.line is None:
            found.clear()
        else:
            found.pop(one.line, None)
    return found


def changes_of(store: Store, digest: str) -> list[PointChange]:
    """All changes for the model with this digest, oldest first. Raises ``RegistryError`` and ``StoreError``."""
    folder = _folder(digest)
    try:
        keys = sorted(info.key for info in store.list(folder) if info.key.endswith(".json"))
    except BucketNotFound:
        return []
    found = []
    for number, (key, data) in enumerate(store.get_many(keys), 1):
        where = f"{store.uri}/{key}"
        if isinstance(data, StoreError) or key != _key(digest, number):
            missing = f"{store.uri}/{_key(digest, number)}"
            raise RegistryError(f"{missing}: is missing, a change of an operating point; restore it from a backup")
        found.append(_parse(data, where, number))
    return found


def set_point(
    store: Store, digest: str, line: str | None, point: float, *, who: str, reason: str
) -> PointChange | None:
    """Set the point of one line, or of all lines without their own. None if it is that already.

    Raises:
        RegistryError: the point is not from 0 to below 1, or there is no name or reason.
        LockHeld: another process is changing the points.
    """
    if not (math.isfinite(point) and 0 <= point < 1):
        raise RegistryError(f"operating point {point:g}: give a number from 0 to below 1, a limit for 1 − Σ p(good)")
    return _add(store, digest, "set", line, point, who, reason)


def reset_points(store: Store, digest: str, line: str | None, *, who: str, reason: str) -> PointChange | None:
    """Remove the point of a line, or all points if ``line`` is None. None if there is nothing to remove.

    Raises:
        RegistryError: there is no name or reason.
        LockHeld: another process is changing the points.
    """
    return _add(store, digest, "reset", line, None, who, reason)


def point_on(points: Mapping[str | None, float], line: str | None, spec: ModelSpec) -> float | None:
    """The point that counts on a line: its own, else that of all lines, else the model's."""
    return points.get(line, points.get(None, spec.operating_point))


def _add(
    store: Store, digest: str, change: Change, line: str | None, point: float | None, who: str, reason: str
) -> PointChange | None:
    if not who.strip() or not reason.strip():
        raise RegistryError("a change of an operating point needs a name and a reason; give --who and --reason")
    if line is not None and (not line.strip() or not line.isprintable()):
        raise RegistryError(f"{line!r} is not the name of a line; give it as it is in the archive")
    try:
        with locked(store, _LOCK, f"a change of an operating point in {store.uri}", _WAIT):
            changes = changes_of(store, digest)
            before = current(changes)
            entry = PointChange(len(changes) + 1, change, line, point, who, reason, store_time(store))
            if before == current([*changes, entry]):
                return None
            store.put_new(_key(digest, entry.number), (json.dumps(entry.to_dict(), indent=1) + "\n").encode())
    except ObjectExists as exc:
        raise RegistryError(
            f"{store.uri}: another process changed this operating point; run the command again"
        ) from exc
    except LockHeld as exc:
        raise LockHeld(f"{str(exc).partition(';')[0]}; try again when it has ended") from exc
    return entry


def _folder(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise RegistryError(f"{digest!r} is not the digest of a model: 64 hexadecimal digits")
    return f"{_FOLDER}/{digest}/"


def _key(digest: str, number: int) -> str:
    return f"{_folder(digest)}{number:08d}.json"


def _parse(data: bytes, where: str, number: int) -> PointChange:
    try:
        fields = json.loads(data)
        entry = PointChange(**{**fields, "at": dt.datetime.fromisoformat(fields["at"])})
        sound = entry.number == number and entry.change in get_args(Change) and isinstance(entry.line, str | None)
        if entry.change == "set":
            sound = sound and isinstance(entry.point, float | int) and 0 <= entry.point < 1
        else:
            sound = sound and entry.point is None
    except (ValueError, TypeError, KeyError):
        sound = False
    if not sound:
        raise RegistryError(f"{where}: was changed by hand; restore it from a backup")
    return entry
