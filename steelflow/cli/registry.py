"""``steelflow models register``, ``promote``, ``rollback``, ``log`` and ``versions``: the registry of models."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from steelflow.cli.output import Json, emit, settings, user
from steelflow.registry import Entry, Registry, Version, open_registry
from steelflow.store.embedded import serving

Reason = Annotated[str, typer.Option("--reason", help="Why; the log keeps the reason.")]
Who = Annotated[str | None, typer.Option("--who", help="Who decides; by default your login name.")]


def register(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER", help="Output folder of `steelflow train`, the path of an ONNX file, or a shipped name."
        ),
    ],
    reason: Reason = "by hand",
    data_hash: Annotated[
        str | None, typer.Option("--data-hash", help="Hash of the training data; by default from metrics.json.")
    ] = None,
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Add a model to the registry as a new version. It is not used until it is promoted."""
    with _registry() as registry:
        started = dt.datetime.now(dt.UTC)
        version = registry.register(source, who=user(who), reason=reason, data_hash=data_hash)
    done = "registered" if version.created_at >= started else "is already registered with the same data"
    text = f"{version.version}: {version.name} {done}; it inspects once it is promoted{_decision(version)}"
    emit(version.to_dict(), as_json, text)


def promote(
    version: Annotated[str, typer.Argument(help="A version from `steelflow models versions`, such as v3.")],
    reason: Reason = "by hand",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Make a version the champion, which inspects from the next night on. No effect if it is already the champion."""
    with _registry() as registry:
        started = dt.datetime.now(dt.UTC)
        entry = registry.promote(version, who=user(who), reason=reason)
        decides = _decision(registry.version(version))
    changed = _changed(entry) if entry.at >= started else f"{version} is champion already"
    emit(entry.to_dict(), as_json, f"{changed}{decides}")


def rollback(
    reason: Reason = "by hand",
    to: Annotated[str | None, typer.Option("--to", metavar="VERSION", help="By default the previous champion.")] = None,
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Make an earlier version the champion again. Each rollback goes one champion back; `promote` goes forward."""
    with _registry() as registry:
        entry = registry.rollback(who=user(who), reason=reason, to=to)
    emit(entry.to_dict(), as_json, _changed(entry))


def log(as_json: Json = False) -> None:
    """List every change of the registry, oldest first, and verify the chain of entries."""
    with _registry() as registry:
        entries = registry.log()
    lines = [
        f"{e.number:>4}  {e.at:%Y-%m-%d %H:%M}  {e.action:<9} {e.version:<5} "
        f"{f'was {e.previous}' if e.previous else '':<9} {e.who}: {e.reason}"
        for e in entries
    ]
    emit({"entries": [entry.to_dict() for entry in entries]}, as_json, "\n".join(lines) or "no entries yet")


def versions(as_json: Json = False) -> None:
    """List the versions in the registry."""
    with _registry() as registry:
        found = registry.versions()
        champion, challenger = registry.champion(), registry.challenger()
    aliases = {one.version: alias for one, alias in ((challenger, "challenger"), (champion, "champion")) if one}
    lines = [
        f"{'version':<8} {'name':<16} {'classes':>7}  {'created':<17} {'golden':>7}  {'point':>7}  {'good':<12} alias"
    ]
    lines += [
        f"{one.version:<8} {one.name:<16} {len(one.classes):>7}  {one.created_at:%Y-%m-%d %H:%M}  "
        f"{_golden(one):>7}  {_point(one):>7}  {', '.join(one.good) or '–':<12} {aliases.get(one.version, '')}"
        for one in found
    ]
    none = "no versions yet; `steelflow models register FOLDER --reason …` adds one"
    emit(
        {
            "versions": [one.to_dict() | {"alias": aliases.get(one.version)} for one in found],
            "champion": champion and champion.version,
            "challenger": challenger and challenger.version,
        },
        as_json,
        "\n".join(lines) if found else none,
    )


@contextmanager
def _registry() -> Iterator[Registry]:
    current = settings()
    with serving(current, current.registry_uri) as reached:
        yield open_registry(reached)


def _golden(version: Version) -> str:
    accuracy = version.metrics.get("golden_accuracy")
    return f"{accuracy:.2%}" if isinstance(accuracy, int | float) else "–"


def _point(version: Version) -> str:
    return "–" if version.operating_point is None else f"{version.operating_point:.4f}"


def _decision(version: Version) -> str:
    """How a version with good classes tells defects from good strip; empty for others."""
    if not version.good:
        return ""
    point = f", defect above the operating point {_point(version)}" if version.operating_point is not None else ""
    return f"\ngood classes: {', '.join(version.good)}{point}"


def _changed(entry: Entry) -> str:
    return f"{entry.version} is champion{f', {entry.previous} was' if entry.previous else ''} (entry {entry.number})"
