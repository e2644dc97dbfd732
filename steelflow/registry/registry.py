"""The registry: register, challenge, promote, roll back, fetch.

versions/v3/…          the files of a version, its manifest last
log/00000007.json      a change; a version exists once its register entry is there, which is written after the manifest
locks/log/             held while the log grows
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import EllipsisType
from typing import Any

from steelflow import __version__
from steelflow.config import Settings
from steelflow.errors import LockHeld, ObjectNotFound, RegistryError
from steelflow.registry import log as chain
from steelflow.registry.cache import kept
from steelflow.registry.intake import take_in
from steelflow.registry.log import Action, Alias, Entry, State, state_of
from steelflow.registry.version import (
    MANIFEST,
    METRICS,
    MODEL,
    REFERENCE,
    VERSIONS,
    File,
    Version,
    key,
    number,
    parse_version,
    sha256,
)
from steelflow.store import Store, open_store
from steelflow.store.clock import StoreClock
from steelflow.store.lock import locked
from steelflow.store.private import owner_only

_LOCK = "locks/log"


def open_registry(settings: Settings) -> Registry:
    """The registry of these settings. Opening it sends no request."""
    return Registry(open_store(settings.registry_uri, settings.store, create=True))


class Registry:
    """Model versions in ``store``. Everything that is read is checked against its digest.

    Every method raises ``StoreError``, and ``RegistryError`` with the name of an object that was edited or is missing.
    Methods that write raise ``LockHeld`` if another process holds the registry for ``wait`` seconds.
    """

    def __init__(self, store: Store, wait: float = 120.0) -> None:
        self.store = store
        self._wait = wait
        self._clock = StoreClock(store)

    def register(
        self,
        source: Path | str,
        *,
        who: str,
        reason: str,
        data_hash: str | None = None,
        metrics: Mapping[str, Any] | None = None,
        reference: bytes | None = None,
    ) -> Version:
        """Store a model as a new version; nothing is promoted.

        The same ONNX file with the same ``data_hash`` is registered once. A second call returns the existing version.

        Args:
            source: a folder that ``steelflow train`` wrote, the path of an ONNX file, or the name of a shipped model.
            data_hash: of the training data; from metrics.json when not given.
            metrics: figures for the manifest; those on the held-out images in metrics.json when not given.
            reference: the reference profile for drift, as ``read`` will return it.

        Raises:
            RegistryError: there is no model in ``source``, or its files are of different models.
            ModelError: the model is damaged, or contradicts its spec.
        """
        _said(who, reason)
        found = take_in(source)
        data_hash = data_hash or found.data_hash
        figures = _plain(found.figures if metrics is None else metrics)
        files = dict(found.files)
        files.setdefault(METRICS, (json.dumps(figures, indent=1) + "\n").encode())
        if reference is not None:
            files[REFERENCE] = reference
        with self._writing() as log:
            state = state_of(log)
            for entry in state.registered.values():
                if entry.data_hash == data_hash and (known := self._manifest(entry)).digest == sha256(files[MODEL]):
                    return known
            name = self._next(log)
            self._clear_leftovers(state)
            version = Version(
                version=name,
                name=found.spec.name,
                arch=found.spec.arch,
                classes=found.spec.classes,
                files={name: File(sha256(data), len(data)) for name, data in sorted(files.items())},
                data_hash=data_hash,
                metrics=figures,
                code=__version__,
                created_at=self._clock.now(),
                created_by=who,
                reason=reason,
                good=found.spec.good,
                operating_point=found.spec.operating_point,
                view=found.spec.view,
            )
            manifest = sha256(self._put(version, files))
            entry = self._entry("register", name, who=who, reason=reason, manifest=manifest, data_hash=data_hash)
            chain.append(self.store, log, entry)
        return version

    def _put(self, version: Version, files: Mapping[str, bytes]) -> bytes:
        """Store the files of a version, then its manifest; returns the manifest."""
        for file, data in files.items():
            self.store.put_new(key(version.version, file), data)
        manifest = version.to_bytes()
        self.store.put_new(key(version.version, MANIFEST), manifest)
        return manifest

    def versions(self) -> list[Version]:
        """All versions, oldest first."""
        return [self._manifest(entry) for entry in state_of(self.log()).registered.values()]

    def version(self, name: str) -> Version:
        """The version with this name, such as ``v3``. Raises ``RegistryError`` if there is none."""
        return self._manifest(_registered(state_of(self.log()), name))

    def champion(self) -> Version | None:
        """The version that inspects; None if none was promoted yet. Reads the log from its end, as far as needed."""
        made = next((entry for entry in chain.newest_first(self.store) if entry.alias == "champion"), None)
        return None if made is None else self._manifest(made)

    def challenger(self) -> Version | None:
        """The version that was compared with the champion last; None once it is champion itself."""
        name = state_of(self.log()).challenger
        return None if name is None else self.version(name)

    def challenge(
        self, version: str | Version, who: str, reason: str, figures: Mapping[str, Any] | None = None
    ) -> Entry:
        """Make ``version`` the challenger. If it is the challenger already, nothing changes.

        Raises:
            RegistryError: no such version, or it is the champion.
        """
        _said(who, reason)
        name = _name(version)
        with self._writing() as log:
            state = state_of(log)
            _registered(state, name)
            if state.challenger == name:
                return state.standing["challenger"]
            if state.champion == name:
                raise RegistryError(f"{self.store.uri}: {name} is the champion; name another version as challenger")
            return self._append(log, state, "challenge", name, who=who, reason=reason, figures=figures)

    def promote(
        self,
        version: str | Version,
        *,
        who: str,
        reason: str,
        figures: Mapping[str, Any] | None = None,
        expect: str | EllipsisType | None = ...,
    ) -> Entry:
        """Make ``version`` the champion. If it is the champion already, nothing changes, and the entry of its promotion
        is returned.

        Args:
            figures: the grounds of the decision, for the log.
            expect: the champion that ``version`` was compared with; None when there was none.

        Raises:
            RegistryError: no such version, one of its files is damaged, or the champion is not the expected one.
        """
        _said(who, reason)
        name = _name(version)
        with self._writing() as log:
            state = state_of(log)
            _registered(state, name)
            if state.champion == name:
                return state.standing["champion"]
            if expect is not ... and expect != state.champion:
                raise RegistryError(
                    f"{self.store.uri}: {name} was compared with {expect or 'no champion'}, but the champion is "
                    f"now {state.champion or 'none'}; compare again with `steelflow retrain`, or promote it by "
                    f"hand with `steelflow models promote {name}`"
                )
            return self._append(log, state, "promote", name, who=who, reason=reason, figures=figures)

    def rollback(self, *, who: str, reason: str, to: str | Version | None = None) -> Entry:
        """Make an earlier champion the champion again: the one before, or ``to``. A second rollback goes further back.
        To return to a later champion, use ``promote``.

        Raises:
            RegistryError: there is no earlier champion, ``to`` is not one, or one of its files is damaged.
        """
        _said(who, reason)
        with self._writing() as log:
            state = state_of(log)
            earlier = state.earlier()
            name = _name(to) if to is not None else earlier[0] if earlier else None
            if name not in earlier:
                raise RegistryError(
                    f"{self.store.uri}: the champion, {state.champion or 'none'}, cannot be rolled back"
                    f"{f' to {name}' if name else ''}: the champions before it are: {', '.join(earlier) or 'none'}; "
                    "promote a version instead"
                )
            return self._append(log, state, "rollback", name, who=who, reason=reason)

    def log(self) -> list[Entry]:
        """Every change, oldest first; the whole chain is checked."""
        return chain.read_log(self.store)

    def fetch(self, version: str | Version, cache: Path) -> Path:
        """The ONNX file in ``cache``, as ``<digest>/model.onnx``, with ``model.safetensors`` (weights) and ``model.md``
        (card) beside it. A file that is missing or damaged there is fetched."""
        found = self._found(version)
        with owner_only():
            return kept(found, cache, lambda file: self.read(found, file))

    def read(self, version: str | Version, file: str) -> bytes:
        """One file of a version, as it was registered: ``model.onnx``, ``metrics.json``, ``reference.parquet``, …"""
        found = self._found(version)
        name = key(found.version, file)
        if file not in found.files:
            raise RegistryError(
                f"{self.store.uri}/{name}: {found.version} has no such file, only {', '.join(found.files)}"
            )
        return self._checked(name, found.files[file].sha256)

    def delete(self, version: str | Version, *, who: str = "housekeeping", reason: str = "retention") -> None:
        """Remove a version. Its number is not used again, and the log keeps its entries.

        Raises:
            RegistryError: no such version, or it is champion, challenger, or the target of a rollback.
        """
        name = _name(version)
        with self._writing() as log:
            state = state_of(log)
            entry = _registered(state, name)
            needed = {state.champion: "the champion", state.challenger: "the challenger"}
            needed |= dict.fromkeys(state.earlier()[:1], "the target of a rollback")
            if name in needed:
                raise RegistryError(f"{self.store.uri}: {name} is {needed[name]}, and is not deleted")
            gone = self._entry(
                "delete", name, who=who, reason=reason, manifest=entry.manifest, data_hash=entry.data_hash
            )
            chain.append(self.store, log, gone)
            self._remove(name)

    def _found(self, version: str | Version) -> Version:
        return version if isinstance(version, Version) else self.version(version)

    def _manifest(self, entry: Entry) -> Version:
        name = key(entry.version, MANIFEST)
        return parse_version(self._checked(name, entry.manifest), f"{self.store.uri}/{name}")

    def _checked(self, name: str, digest: str) -> bytes:
        where = f"{self.store.uri}/{name}"
        try:
            data = self.store.get(name)
        except ObjectNotFound as exc:
            raise RegistryError(f"{where}: is missing; restore it from a backup, or roll back") from exc
        if sha256(data) != digest:
            raise RegistryError(
                f"{where}: is not what was registered (SHA-256 {sha256(data)}, should be {digest}); "
                "restore it from a backup, or roll back"
            )
        return data

    def _append(
        self,
        log: Sequence[Entry],
        state: State,
        action: Action,
        name: str,
        *,
        who: str,
        reason: str,
        figures: Mapping[str, Any] | None = None,
    ) -> Entry:
        registered = state.registered[name]
        version = self._manifest(registered)
        for file in version.files:  # a damaged model must not inspect
            self.read(version, file)
        alias: Alias = "challenger" if action == "challenge" else "champion"
        previous = state.challenger if action == "challenge" else state.champion
        entry = self._entry(
            action,
            name,
            who=who,
            reason=reason,
            manifest=registered.manifest,
            data_hash=registered.data_hash,
            alias=alias,
            previous=previous,
            figures=figures,
        )
        return chain.append(self.store, log, entry)

    def _entry(
        self,
        action: Action,
        version: str,
        *,
        who: str,
        reason: str,
        manifest: str,
        data_hash: str | None,
        alias: Alias | None = None,
        previous: str | None = None,
        figures: Mapping[str, Any] | None = None,
    ) -> Entry:
        """An entry that is not in the log yet: ``log.append`` gives it a number and chains it."""
        return Entry(
            number=0,
            at=self._clock.now(),
            who=who,
            action=action,
            alias=alias,
            version=version,
            previous=previous,
            reason=reason,
            figures=None if figures is None else _plain(figures),
            data_hash=data_hash,
            manifest=manifest,
            before="",
        )

    @contextmanager
    def _writing(self) -> Iterator[list[Entry]]:
        """The log, with the lock held."""
        try:
            with locked(self.store, _LOCK, f"a change of the registry {self.store.uri}", self._wait):
                yield self.log()
        except LockHeld as exc:
            raise LockHeld(f"{str(exc).partition(';')[0]}; try again when it has ended") from exc

    def _next(self, log: Sequence[Entry]) -> str:
        """A name that no version ever had. Unfinished versions count: their writer may only be slow."""
        taken = {number(entry.version) for entry in log} | {number(name) for name in self.store.folders(VERSIONS)}
        return f"v{max(taken, default=0) + 1}"

    def _clear_leftovers(self, state: State) -> None:
        """Remove the leftovers of crashes: versions that were not finished, or not completely deleted."""
        for name in list(self.store.folders(VERSIONS)):
            if number(name) and name not in state.registered:
                self._remove(name)

    def _remove(self, name: str) -> None:
        self.store.delete(key(name, MANIFEST))
        for info in list(self.store.list(key(name, ""))):
            self.store.delete(info.key)


def _registered(state: State, name: str) -> Entry:
    if name not in state.registered:
        there = ", ".join(state.registered) or "none"
        raise RegistryError(f"{name!r}: no such version in the registry; there are: {there}")
    return state.registered[name]


def _name(version: str | Version) -> str:
    return version.version if isinstance(version, Version) else version


def _said(who: str, reason: str) -> None:
    if not who.strip() or not reason.strip():
        raise RegistryError("a change of the registry needs a name and a reason; give --who and --reason")


def _plain(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures as they are read back from JSON, so that the digest of their entry is the same."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(figures)))
    except (TypeError, ValueError) as exc:
        raise RegistryError(f"the figures cannot be written as JSON: {exc}; give numbers, texts and lists") from exc
    return plain
