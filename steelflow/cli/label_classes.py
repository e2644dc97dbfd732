"""``steelflow labels classes`` and the commands that retire, restore, rename and merge a class."""

from __future__ import annotations

from typing import Annotated

import typer

from steelflow.cli.output import Json, emit, settings, user
from steelflow.config import Settings
from steelflow.engine import open_engine
from steelflow.labels import ClassChange, LabelStore, open_labels
from steelflow.labels.classes import ClassAction
from steelflow.registry import resolved
from steelflow.store.embedded import serving

Name = Annotated[str, typer.Argument(metavar="CLASS", help="A class of the labels or of the model.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; the log keeps the reason.")]
Who = Annotated[str | None, typer.Option("--who", help="Who decides; by default your login name.")]

_WHAT: dict[ClassAction, str] = {
    "retire": "is retired: it is not learnt and not asked for; `steelflow labels restore` brings it back",
    "restore": "counts again",
    "rename": "is the new name; labels of the old name count as it",
    "merge": "has the labels of both classes now",
}


def add_class_commands(app: typer.Typer) -> None:
    for command in (classes, retire, restore, rename, merge):
        app.command()(command)


def classes(as_json: Json = False) -> None:
    """List the classes with their labels, and who retired, renamed or merged which."""
    with serving(settings()) as current:
        labels = open_labels(current)
        meaning, counts = labels.class_names(), _counts(labels)
        names = meaning.offered([*_of_model(current)[0], *sorted(counts)])
    rows = [{"class": name, "labels": counts.get(name, 0), "retired": False} for name in names]
    rows += [{"class": name, "labels": counts.get(name, 0), "retired": True} for name in sorted(meaning.retired)]
    text = [f"{row['class']:<24} {row['labels']:>8,}{'  retired' if row['retired'] else ''}" for row in rows]
    text += ["", *map(str, meaning.changes)] if meaning.changes else []
    result = {"classes": rows, "changes": [one.to_dict() for one in meaning.changes]}
    emit(result, as_json, "\n".join([f"{'class':<24} {'labels':>8}", *text]))


def retire(name: Name, reason: Reason, who: Who = None, as_json: Json = False) -> None:
    """Retire a class: models are no longer trained to know it, and the review does not offer it. Its labels stay."""
    _change("retire", name, None, who, reason, as_json)


def restore(name: Name, reason: Reason, who: Who = None, as_json: Json = False) -> None:
    """Bring a retired class back, with its labels."""
    _change("restore", name, None, who, reason, as_json)


def rename(
    name: Name,
    into: Annotated[str, typer.Argument(metavar="NEW", help="The new name.")],
    reason: Reason,
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Give a class another name. Labels of the old name count as the new one; the next model has the new name."""
    _change("rename", name, into, who, reason, as_json)


def merge(
    name: Name,
    into: Annotated[str, typer.Argument(metavar="INTO", help="The class that it becomes part of.")],
    reason: Reason,
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Merge a class into another one: labels of both count as the second; the next model has one class."""
    _change("merge", name, into, who, reason, as_json)


def _change(action: ClassAction, name: str, into: str | None, who: str | None, reason: str, as_json: bool) -> None:
    with serving(settings()) as current:
        of_model, good = _of_model(current)
        change = open_labels(current).change_class(
            action, name, into, who=user(who), reason=reason, classes=of_model, good=good
        )
    emit({"change": None if change is None else change.to_dict()}, as_json, _text(action, name, into, change))


def _text(action: ClassAction, name: str, into: str | None, change: ClassChange | None) -> str:
    if change is None:
        return f"{name!r}: nothing to do, it is so already"
    return f"{(into or name)!r} {_WHAT[action]}"


def _of_model(current: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes of the model that inspects, and those that mean "no defect"."""
    spec = open_engine(resolved(current)[0], "onnxruntime").spec
    return spec.classes, spec.good


def _counts(labels: LabelStore) -> dict[str, int]:
    """Labels of images and regions that stand, by today's name of their class."""
    found: dict[str, int] = {}
    for rows in (labels.current(withdrawn=True), labels.regions(withdrawn=True)):
        for name, count in rows.filter(rows["label"].is_not_null()).group_by("label").len().iter_rows():
            found[name] = found.get(name, 0) + count
    return found
