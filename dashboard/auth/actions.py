"""The changes that a user can make on a page. Each action checks the user's role and records the user's name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.auth.access import Actor
from steelflow.errors import LabelError, RegistryError
from steelflow.labels import Label, LabelStore
from steelflow.registry import Entry, Registry

REVIEW = "review"
_PLACE = ("object_key", "member", "ordinal", "line", "date", "coil")


@dataclass(frozen=True, slots=True)
class Said:
    """A label that was given. ``image`` is the SHA-256 of the image's bytes. ``before`` is the label before, and ``by``
    the person who gave it; both are None for the first label."""

    image: str
    label: str
    before: str | None
    by: str | None
    place: Mapping[str, Any]


def label(
    actor: Actor,
    labels: LabelStore,
    row: Mapping[str, Any],
    data: bytes,
    name: str,
    classes: Collection[str],
    new: bool = False,
) -> Said:
    """Label an image. Its bytes are stored with the label, because archives expire.

    Args:
        row: the row of the report: the image's reference, line, date and coil.
        data: the encoded image from the archive.
        classes: the classes of the model; ``new`` allows an unknown class.

    Raises:
        NotAllowed: the actor is not a labeller.
        LabelError: an unknown class, or an invalid name.
    """
    actor.must_be("labeller")
    image = labels.images.put(data)
    history = labels.history(image)
    last = history.row(-1, named=True) if history.height else {"label": None, "who": None}
    place = {column: row[column] for column in _PLACE}
    said = Label(image, name, actor.name, REVIEW, **place)
    labels.add([said], classes=classes, new_classes=[name] if new else ())
    return Said(image, name, last["label"], last["who"], place)


def undo(actor: Actor, labels: LabelStore, said: Said) -> None:
    """Undo the actor's label. The label before counts again.

    Raises:
        NotAllowed: the actor is not a labeller.
        LabelError: another person has labelled the image since.
    """
    actor.must_be("labeller")
    last = labels.history(said.image).row(-1, named=True)
    if last["who"] != actor.name or last["label"] != said.label:
        raise LabelError(f"{last['who']} has labelled this image since, as {last['label']}; nothing was undone")
    note = "undone" if said.before is None else f"undone; {said.by} had said so"
    labels.add([Label(said.image, said.before, actor.name, REVIEW, note=note, **said.place)])


def promote(actor: Actor, registry: Registry, version: str, reason: str, expect: str | None) -> Entry:
    """Make ``version`` the champion. ``expect`` is the champion that the actor saw.

    Raises:
        NotAllowed: the actor is not an operator.
        RegistryError: no reason, no such version, a damaged version, or the champion has changed meanwhile.
    """
    actor.must_be("operator")
    return registry.promote(version, who=actor.name, reason=_said(reason), expect=expect)


def rollback(actor: Actor, registry: Registry, to: str, reason: str) -> Entry:
    """Make an earlier champion the champion again.

    Raises:
        NotAllowed: the actor is not an operator.
        RegistryError: no reason, or ``to`` was not a champion before the present one.
    """
    actor.must_be("operator")
    return registry.rollback(who=actor.name, reason=_said(reason), to=to)


def _said(reason: str) -> str:
    if not reason.strip():
        raise RegistryError("a change of the model needs a reason for the log; nothing was changed")
    return reason.strip()
