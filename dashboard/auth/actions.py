"""The changes that a user can make on a page. Each action checks the user's role and records the user's name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from dashboard.auth.access import Actor
from steelflow.errors import LabelError, RegistryError
from steelflow.labels import ClassChange, Label, LabelStore
from steelflow.labels.boxes import BOX, Box, Verdict
from steelflow.labels.classes import ClassAction
from steelflow.labels.second import SECOND, UNDONE
from steelflow.registry import Entry, Registry

REVIEW = "review"
_WHOLE = (None, None, None, None)
PLACE = ("object_key", "member", "ordinal", "line", "date", "coil")


@dataclass(frozen=True, slots=True)
class Said:
    """A label that was given. ``image`` is the SHA-256 of the image's bytes. ``before`` is the label before, and ``by``
    the person who gave it; both are None for the first label. ``box`` is None for a label of the whole image."""

    image: str
    label: str
    before: str | None
    by: str | None
    place: Mapping[str, Any]
    box: Box | None = None
    verdict: Verdict | None = None
    remarks: tuple[str, ...] = ()  # why the label does not count, if it does not
    second: bool = False  # by the second reader, who must not see the first label


def label(
    actor: Actor,
    labels: LabelStore,
    row: Mapping[str, Any],
    data: bytes,
    name: str,
    classes: Collection[str],
    new: bool = False,
    box: Box | None = None,
    verdict: Verdict | None = None,
    second: bool = False,
) -> Said:
    """Label an image, or the region of it in ``box``. The image's bytes are stored, because archives expire.

    Args:
        row: the row of the report: the image's reference, line, date and coil.
        data: the encoded image from the archive.
        classes: the classes of the model; ``new`` allows an unknown class.
        second: the actor is the second reader of this image.

    Raises:
        NotAllowed: the actor is not a labeller.
        LabelError: an unknown class, or an invalid name.
    """
    actor.must_be("labeller")
    image = labels.images.put(data)
    last = _last(labels, image, box) or {"label": None, "who": None}
    place = {column: row[column] for column in PLACE}
    said = Label(image, name, actor.name, SECOND if second else REVIEW, verdict=verdict, **place | _sides(box))
    added = labels.add([said], classes=classes, new_classes=[name] if new else ())
    return Said(image, name, last["label"], last["who"], place, box, verdict, tuple(added.remarks), second)


def undo(actor: Actor, labels: LabelStore, said: Said) -> None:
    """Undo the actor's label. The label before counts again.

    Raises:
        NotAllowed: the actor is not a labeller.
        LabelError: another person has labelled the image, or region, since.
    """
    actor.must_be("labeller")
    last = _last(labels, said.image, said.box)
    assert last is not None, "it was labelled"
    if last["who"] != actor.name or last["label"] != said.label:
        raise LabelError(f"{last['who']} has labelled this image since, as {last['label']}; nothing was undone")
    note = UNDONE if said.before is None else f"{UNDONE}; {said.by} had said so"
    labels.add([Label(said.image, said.before, actor.name, REVIEW, note=note, **{**said.place, **_sides(said.box)})])


def _last(labels: LabelStore, image: str, box: Box | None) -> dict[str, Any] | None:
    """The last label of an image or of a region."""
    same = [pl.col(name).eq_missing(pl.lit(side, pl.Int32())) for name, side in zip(BOX, box or _WHOLE, strict=True)]
    rows = labels.history(image).filter(*same)
    return rows.row(-1, named=True) if rows.height else None


def _sides(box: Box | None) -> dict[str, Any]:
    return {} if box is None else dict(zip(BOX, box, strict=True))


def change_class(
    actor: Actor,
    labels: LabelStore,
    action: ClassAction,
    name: str,
    into: str | None,
    reason: str,
    classes: Collection[str],
    good: Collection[str] = (),
) -> ClassChange | None:
    """Retire, restore, rename or merge a class. None if it is so already.

    Args:
        classes: the classes of the model; ``good`` ones cannot be changed.

    Raises:
        NotAllowed: the actor is not an operator.
        LabelError: no reason, no such class, or a name that is taken.
    """
    actor.must_be("operator")
    return labels.change_class(action, name, into, who=actor.name, reason=reason, classes=classes, good=good)


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
