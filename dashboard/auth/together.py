"""One label for many images: a selection of a page, or a cluster of the review queue."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.auth.access import Actor
from dashboard.auth.actions import PLACE, REVIEW
from dashboard.data import images
from steelflow.archive.fetch import ImageRef
from steelflow.errors import LabelError
from steelflow.labels import Label, LabelStore
from steelflow.labels.boxes import Verdict
from steelflow.records import Failure

MOST = 500  # images at once
Fetch = Callable[[Sequence[ImageRef]], Iterable[tuple[ImageRef, bytes | Failure]]]


@dataclass(frozen=True, slots=True)
class Together:
    """What became of the images: ``labelled`` got the label, ``unchanged`` had it from the same person, ``missing``
    cannot be read any more. ``changed`` of the labelled had another label before. ``remarks`` say why a label does not
    count."""

    label: str
    labelled: int
    unchanged: int
    changed: int
    missing: tuple[str, ...]
    remarks: tuple[str, ...]


def label_together(
    actor: Actor,
    labels: LabelStore,
    rows: Sequence[Mapping[str, Any]],
    fetch: Fetch,
    name: str,
    classes: Collection[str],
    new: bool = False,
    verdict: Callable[[Mapping[str, Any]], Verdict | None] | None = None,
) -> Together:
    """Label whole images, as one batch: all or none of those that can be read. Each label has the actor's name, and
    notes how many were labelled together.

    Args:
        rows: of the report: reference, line, date and coil.
        fetch: reads images of the archive, one in memory at a time.
        classes: the classes of the model; ``new`` allows an unknown class.
        verdict: what the class means for a row, see ``actions.label``; nothing by default.

    Raises:
        NotAllowed: the actor is not a labeller.
        LabelError: no images or too many, an unknown class, or an invalid name; no label was added.
    """
    actor.must_be("labeller")
    by_place = {images.reference(row): row for row in rows}
    if not by_place:
        raise LabelError("no image was chosen; choose some")
    if len(by_place) > MOST:
        raise LabelError(f"{len(by_place):,} images were chosen; at most {MOST:,} are labelled at once")
    before = labels.current(withdrawn=True)
    known = dict(before.select("image", "label").iter_rows())
    said, missing, changed = [], [], 0
    for place, data in fetch(list(by_place)):
        row = by_place[place]
        if isinstance(data, Failure):
            missing.append(f"{place.member or place.key}: {data}")
            continue
        image = labels.images.put(data)
        changed += known.get(image) not in (None, name)
        at = {column: row[column] for column in PLACE}
        note = f"one of {len(by_place)} that were labelled together"
        said.append(
            Label(image, name, actor.name, REVIEW, note=note, verdict=None if verdict is None else verdict(row), **at)
        )
    if not said:
        raise LabelError("none of these images can be read any more; nothing was labelled")
    added = labels.add(said, classes=classes, new_classes=[name] if new else ())
    return Together(name, added.added, added.unchanged, changed, tuple(missing), tuple(added.remarks))
