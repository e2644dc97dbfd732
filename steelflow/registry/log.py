"""The promotion log: append-only, one object per entry, each holding the digest of the one before.

The log is the only place that says which versions exist, and which one is champion or challenger. The chain detects an
entry that was edited, removed or inserted. It cannot detect that the last entries were removed, or that all of it was
rewritten: everybody who may write to the store has to be trusted that far.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from steelflow.errors import BucketNotFound, ObjectExists, RegistryError, StoreError
from steelflow.registry.version import is_version, sha256
from steelflow.store.base import Store

Action = Literal["register", "promote", "rollback", "challenge", "delete"]
Alias = Literal["champion", "challenger"]

LOG = "log/"
_KEY = re.compile(r"log/(\d{8})\.json")
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Entry:
    """One change. ``version`` became ``alias`` in place of ``previous``. ``manifest`` is the SHA-256 of the version's
    manifest, ``before`` is the ``digest`` of the previous entry (empty for the first one), ``digest`` is the SHA-256 of
    all other fields."""

    number: int
    at: dt.datetime
    who: str
    action: Action
    alias: Alias | None
    version: str
    previous: str | None
    reason: str
    figures: Mapping[str, Any] | None
    data_hash: str | None
    manifest: str
    before: str
    digest: str = ""

    def sealed(self) -> Entry:
        """The same entry with its digest."""
        fields = self.to_dict()
        del fields["digest"]
        return replace(self, digest=sha256(json.dumps(fields, sort_keys=True).encode()))

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat()}


@dataclass(slots=True)
class State:
    """The result of a log. ``reign`` has the champions, the current one last: a promotion adds one, and a rollback
    removes those after its target, so that a second rollback goes further back. ``registered`` has the register entry
    of each version that was not deleted. ``standing`` has the entry that made the champion and the challenger."""

    reign: list[str] = field(default_factory=list)
    challenger: str | None = None
    registered: dict[str, Entry] = field(default_factory=dict)
    standing: dict[Alias, Entry] = field(default_factory=dict)

    @property
    def champion(self) -> str | None:
        return self.reign[-1] if self.reign else None

    def earlier(self) -> list[str]:
        """The champions that a rollback can go to, the latest first."""
        found = dict.fromkeys(name for name in reversed(self.reign) if name in self.registered)
        return [name for name in found if name != self.champion]


def state_of(log: Iterable[Entry]) -> State:
    state = State()
    for entry in log:
        if entry.action == "register":
            state.registered[entry.version] = entry
        elif entry.action == "delete":
            state.registered.pop(entry.version, None)
        elif entry.action == "challenge":
            state.challenger = entry.version
        else:
            if entry.action == "promote":
                state.reign.append(entry.version)
            while entry.action == "rollback" and state.reign and state.reign[-1] != entry.version:
                state.reign.pop()
            if state.challenger == entry.version:
                state.challenger = None
        if entry.alias is not None:
            state.standing[entry.alias] = entry
    return state


def read_log(store: Store) -> list[Entry]:
    """All entries, oldest first. Raises ``RegistryError`` with the name of an object that is missing or was changed."""
    return list(reversed(list(newest_first(store))))


def newest_first(store: Store) -> Iterator[Entry]:
    """The entries, newest first, read on demand. Each is checked against its digest and the entry after it.
    Missing numbers are detected at the start. Raises ``RegistryError``."""
    keys = _keys(store)
    after: Entry | None = None
    for end in range(len(keys), 0, -_AT_ONCE):
        for key, data in store.get_many(keys[max(0, end - _AT_ONCE) : end][::-1]):
            where = f"{store.uri}/{key}"
            if isinstance(data, StoreError):
                raise RegistryError(f"{where}: {_TAMPERED.format('is gone')}") from data
            entry = _parse(data, where)
            if key != _key(entry.number) or (after is not None and entry.digest != after.before):
                raise RegistryError(f"{where}: {_TAMPERED.format('is not the entry that was written there')}")
            yield entry
            after = entry
    if after is not None and after.before:
        raise RegistryError(f"{store.uri}/{keys[0]}: {_TAMPERED.format('is not the first entry')}")


def append(store: Store, log: Sequence[Entry], entry: Entry) -> Entry:
    """Write ``entry`` at the end of ``log``, numbered and chained. The caller holds the registry's lock. The store is a
    second guard: an existing entry is never overwritten.

    Raises:
        RegistryError: another process has appended an entry in the meantime.
    """
    before = log[-1].digest if log else ""
    sealed = replace(entry, number=len(log) + 1, before=before).sealed()
    try:
        store.put_new(_key(sealed.number), (json.dumps(sealed.to_dict(), indent=1) + "\n").encode())
    except ObjectExists as exc:
        raise RegistryError(
            f"{store.uri}/{_key(sealed.number)}: another process changed the registry in the meantime; "
            "this change was not made, run again"
        ) from exc
    return sealed


_TAMPERED = "the promotion log was changed by hand: this object {}; restore it from a backup"


def _keys(store: Store) -> list[str]:
    try:
        keys = sorted(info.key for info in store.list(LOG) if _KEY.fullmatch(info.key))
    except BucketNotFound:
        return []
    for number, key in enumerate(keys, 1):
        if key != _key(number):
            raise RegistryError(f"{store.uri}/{_key(number)}: {_TAMPERED.format('is missing')}")
    return keys


def _key(number: int) -> str:
    return f"{LOG}{number:08d}.json"


def _parse(data: bytes, where: str) -> Entry:
    try:
        fields = json.loads(data)
        entry = Entry(**{**fields, "at": dt.datetime.fromisoformat(fields["at"])})
        sound = entry.sealed().digest == entry.digest and entry.action in get_args(Action) and is_version(entry.version)
    except (ValueError, TypeError, KeyError):
        sound = False
    if not sound:
        raise RegistryError(f"{where}: {_TAMPERED.format('is not as it was written')}")
    return entry
