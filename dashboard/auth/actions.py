"""What a person changes from a page. Each action checks the role of who asks, and records their name."""

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
    """A label that was given. ``image`` is the SHA-256 of its bytes; ``before`` is what stood until then, and ``by``
    who had said that: None where nobody had."""

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
    """Say what an image shows. Its bytes are kept with the label, since archives expire.

    Args:
        row: of the report: the image's reference, line, date and coil.
        data: the image as it is in the archive.
        classes: those that the model knows; ``new`` allows one that nobody knows yet.

    Raises:
        NotAllowed: the actor is no labeller.
        LabelError: an unknown class, or a name that cannot be one.
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
    """Take back what the actor said; what stood before stands again.

    Raises:
        NotAllowed: the actor is no labeller.
        LabelError: somebody else has labelled the image since.
    """
    actor.must_be("labeller")
    last = labels.history(said.image).row(-1, named=True)
    if last["who"] != actor.name or last["label"] != said.label:
        raise LabelError(f"{last['who']} has labelled this image since, as {last['label']}; nothing was undone")
    note = "undone" if said.before is None else f"undone; {said.by} had said so"
    labels.add([Label(said.image, said.before, actor.name, REVIEW, note=note, **said.place)])


def promote(actor: Actor, registry: Registry, version: str, reason: str, expect: str | None) -> Entry:
    """Make ``version`` the champion; ``expect`` is the champion that the actor saw.

    Raises:
        NotAllowed: the actor is no operator.
        RegistryError: no reason, no such version, a damaged one, or the champion is another by now.
    """
    actor.must_be("operator")
    return registry.promote(version, who=actor.name, reason=_said(reason), expect=expect)


def rollback(actor: Actor, registry: Registry, to: str, reason: str) -> Entry:
    """Make an earlier champion champion again.

    Raises:
        NotAllowed: the actor is no operator.
        RegistryError: no reason, or ``to`` was no champion before the present one.
    """
    actor.must_be("operator")
    return registry.rollback(who=actor.name, reason=_said(reason), to=to)


def _said(reason: str) -> str:
    if not reason.strip():
        raise RegistryError("a change of the model needs a reason: it stays in the log; nothing was changed")
    return reason.strip()
