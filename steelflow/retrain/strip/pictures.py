"""Labelled frames as annotated pictures: files in the workplace, and what is known of each pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from steelflow.config import LimitSettings
from steelflow.images.beside import note_bits
from steelflow.images.decode import decode
from steelflow.labels import LabelStore
from steelflow.labels.store import suffix_of
from steelflow.records import Failure, Region
from steelflow.retrain.strip.material import LabelledFrame
from steelflow.training.annotations import Annotated, Annotations, Box


def annotations_of(
    labels: LabelStore,
    frames: Sequence[LabelledFrame],
    pointed: Mapping[str, Sequence[Region]],
    classes: Iterable[str],
    good: str,
    folder: Path,
    limits: LimitSettings,
) -> Annotations:
    """Write the frames to ``folder`` and say what is known of them.

    What surrounds the labelled regions of a frame is good, since defects are rare. Unknown are: the regions of classes
    that have too few labels; and, in a frame that nobody labelled as a whole, the places that the champion points to
    and nobody labelled.

    Args:
        pointed: the champion's regions, by image.
        classes: the defect classes to learn.
    """
    learnt = set(classes)
    folder.mkdir(parents=True, exist_ok=True)
    items = []
    wanted = [one for one in frames if one.label == good or one.boxes or one.label in learnt]
    stored = labels.images.get_many(one.image for one in wanted)
    for frame, (image, data) in zip(wanted, stored, strict=True):
        own = limits.of(frame.line)
        grey = decode(data, own)
        if isinstance(grey, Failure):
            continue
        path = folder / f"{image[:16]}{suffix_of(data)}"
        path.write_bytes(data)
        note_bits(folder, {path.name: own.sample_bits} if own.sample_bits and limits.lines else {})
        item = _annotated(frame, pointed.get(image, ()), learnt, good, (grey.shape[0], grey.shape[1]))
        items.append(replace(item, path=path.name, digest=hashlib.sha256(data).digest()))
    names = tuple(sorted({good, *(item.label for item in items), *(b.label for i in items for b in i.boxes)}))
    return Annotations(folder, names, (good,), tuple(items), format="labels", limits=limits)


def _annotated(
    frame: LabelledFrame, pointed: Sequence[Region], learnt: set[str], good: str, size: tuple[int, int]
) -> Annotated:
    boxes = [cut for box in frame.boxes if (cut := _within(box, *size)) is not None]
    known = tuple(box for box in boxes if box.label in learnt or box.label == good)
    unsure = [box for box in boxes if box not in known]
    if not frame.whole:
        places = (Box("", one.x, one.y, one.width, one.height) for one in pointed)
        unsure += [place for place in places if not any(touch(place, box) for box in boxes)]
    defects = [box for box in known if box.label != good]
    largest = max(defects, key=lambda box: box.width * box.height, default=None)
    if frame.label in learnt and largest is None:  # a label of the whole frame: its defects have no place
        return Annotated(path=frame.image, group=frame.group, label=frame.label, size=size)
    return Annotated(
        path=frame.image,
        group=frame.group,
        label=good if largest is None else largest.label,
        boxes=known,
        size=size,
        unsure=tuple(unsure),
    )


def touch(one: Box, other: Box) -> bool:
    """Whether two boxes share a pixel or an edge."""
    return (
        one.x <= other.x + other.width
        and other.x <= one.x + one.width
        and one.y <= other.y + other.height
        and other.y <= one.y + one.height
    )


def _within(box: Box, height: int, width: int) -> Box | None:
    """The part of the box that is in the frame; None if there is none."""
    left, top = max(0, box.x), max(0, box.y)
    right, bottom = min(width, box.x + box.width), min(height, box.y + box.height)
    if right <= left or bottom <= top:
        return None
    return Box(box.label, left, top, right - left, bottom - top)
