"""The decisions about coils: append-only, one object per decision, each with the digest of the one before.

decisions/date=2026-11-18/line=L1/coil=4711/00000001.json    the first decision about a coil; the last one counts
locks/date=2026-11-18/                                       held while decisions of a night are added

The numbers give the order, not the clock. The chain detects an entry that was edited, removed or inserted, but not that
the last ones were removed. A decision stays when its night is inspected again: it keeps the figures that it was based
on, so that a change of them can be told.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args
from urllib.parse import quote

from steelflow.coils.proposal import Coil
from steelflow.config import Disposition, Settings
from steelflow.errors import BucketNotFound, CoilError, ObjectExists, StoreError
from steelflow.records import Partition
from steelflow.report.layout import folder, parse_folder
from steelflow.store import Store, open_store
from steelflow.store.clock import store_time
from steelflow.store.lock import locked

DECISIONS = "decisions/"
_KEY = re.compile(r"decisions/(date=[^/]+/line=[^/]+)/coil=[^/]+/(\d{8})\.json")
_NAME = 150  # characters of a coil's name in a key
_WAIT = 30.0  # seconds for another person's decision
_TAMPERED = "a decision about a coil was changed by hand: this object {}; restore it from a backup"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about a coil of a night. ``proposed`` and ``reasons`` were the proposal at that moment,
    ``basis`` the figures that it was made from. ``before`` is the ``digest`` of the decision before, empty for the
    first one; ``digest`` is the SHA-256 of all other fields."""

    number: int
    at: dt.datetime
    who: str
    disposition: Disposition
    reason: str
    date: dt.date
    line: str | None
    coil: str
    proposed: Disposition | None
    reasons: tuple[str, ...]
    basis: Mapping[str, Any]
    before: str = ""
    digest: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        fields = {**asdict(self), "at": self.at.isoformat(), "date": self.date.isoformat()}
        return {**fields, "reasons": list(self.reasons)}

    def sealed(self) -> Decision:
        """The same decision with its digest."""
        fields = self.to_dict()
        del fields["digest"]
        return replace(self, digest=hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest())

    def says(self, other: Decision) -> bool:
        """Whether both say the same: the same person, disposition and reason, on the same figures."""
        same = ("who", "disposition", "reason", "proposed", "basis")
        return all(getattr(self, name) == getattr(other, name) for name in same)


class Decisions:
    """The decisions in ``store``. All that is read is checked against its digest."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of_night(self, date: dt.date, lines: Collection[str | None] | None = None) -> dict[Coil, tuple[Decision, ...]]:
        """All decisions about the coils of a night, by line and coil, the first one first.

        Raises:
            CoilError: a decision was edited or removed.
            StoreError: they cannot be read.
        """
        return self._read(f"{DECISIONS}date={date.isoformat()}/", lines)

    def history(self, date: dt.date, line: str | None, coil: str) -> tuple[Decision, ...]:
        """The decisions about one coil of a night, the first one first. Raises as ``of_night``."""
        return self._read(_folder(date, line, coil)).get((line, coil), ())

    @contextmanager
    def adding(self, date: dt.date) -> Iterator[None]:
        """Hold this to add decisions about a night: others wait, some seconds, then get ``LockHeld``."""
        with locked(self._store, f"locks/date={date.isoformat()}", f"a decision about coils of {date}", _WAIT):
            yield

    def now(self) -> dt.datetime:
        """The time by the clock of the store: this machine's can be wrong."""
        return store_time(self._store)

    def add(self, decision: Decision, known: Sequence[Decision]) -> Decision:
        """Store a decision after those that are known of the coil. The caller holds ``adding``; the store is a second
        guard: an existing decision is never overwritten.

        Raises:
            CoilError: another person has decided meanwhile.
        """
        before = known[-1].digest if known else ""
        sealed = replace(decision, number=len(known) + 1, before=before).sealed()
        key = f"{_folder(decision.date, decision.line, decision.coil)}{sealed.number:08d}.json"
        try:
            self._store.put_new(key, (json.dumps(sealed.to_dict(), indent=1) + "\n").encode())
        except ObjectExists as exc:
            raise CoilError(
                f"coil {decision.coil}: another person has decided in the meantime; this decision was not stored, look "
                "at the coil again"
            ) from exc
        return sealed

    def _read(self, prefix: str, lines: Collection[str | None] | None = None) -> dict[Coil, tuple[Decision, ...]]:
        found: dict[Coil, list[Decision]] = {}
        for key, data in self._store.get_many(self._keys(prefix, lines)):
            where = f"{self._store.uri}/{key}"
            if isinstance(data, StoreError):
                raise CoilError(f"{where}: {_TAMPERED.format('is gone')}") from data
            one = _parse(data, where)
            known = found.setdefault((one.line, one.coil), [])
            expected = f"{_folder(one.date, one.line, one.coil)}{len(known) + 1:08d}.json"
            if key != expected or one.before != (known[-1].digest if known else ""):
                raise CoilError(f"{where}: {_TAMPERED.format('is not the decision that was written there')}")
            known.append(one)
        return {coil: tuple(known) for coil, known in found.items()}

    def _keys(self, prefix: str, lines: Collection[str | None] | None) -> list[str]:
        keys = []
        try:
            for info in self._store.list(prefix):
                match = _KEY.fullmatch(info.key)
                partition = None if match is None else parse_folder(match[1])
                if partition is not None and (lines is None or partition.line in lines):
                    keys.append(info.key)
        except BucketNotFound:
            return []
        return sorted(keys)


def open_decisions(settings: Settings) -> Decisions:
    """The decisions of these settings. Opening them sends no request."""
    return Decisions(open_store(settings.coils_uri, settings.store, create=True))


def _folder(date: dt.date, line: str | None, coil: str) -> str:
    name = quote(coil, safe="")
    if len(name) > _NAME:  # a folder's name must not be longer than 255 bytes
        name = f"{name[: _NAME - 20].rstrip('%')}~{hashlib.sha256(coil.encode()).hexdigest()[:16]}"
    return f"{DECISIONS}{folder(Partition(line, date))}coil={name}/"


def _parse(data: bytes, where: str) -> Decision:
    try:
        fields = json.loads(data)
        told = {
            "at": dt.datetime.fromisoformat(fields["at"]),
            "date": dt.date.fromisoformat(fields["date"]),
            "reasons": tuple(fields["reasons"]),
        }
        decision = Decision(**{**fields, **told})
        sound = decision.sealed().digest == decision.digest and decision.disposition in get_args(Disposition)
    except (ValueError, TypeError, KeyError):
        sound = False
    if not sound:
        raise CoilError(f"{where}: {_TAMPERED.format('is not as it was written')}")
    return decision


def latest(history: Iterable[Decision]) -> Decision | None:
    """The decision that counts; None if there is none."""
    return next(iter(reversed(tuple(history))), None)
