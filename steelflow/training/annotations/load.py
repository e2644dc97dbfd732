"""Read the annotations of a data set, and check every picture of it."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steelflow.config import LimitSettings
from steelflow.errors import ConfigError, DataError
from steelflow.images.beside import limits_in
from steelflow.images.decode import decode
from steelflow.records import Failure
from steelflow.training.annotations import folders, masks, table
from steelflow.training.annotations.formats import FORMATS, expected, format_of
from steelflow.training.annotations.groups import group_of, joined, rule_of
from steelflow.training.annotations.item import Annotated, Annotations, Box
from steelflow.training.annotations.lookalikes import MOST, lookalikes, thumbnail
from steelflow.training.annotations.shapes import Runs
from steelflow.training.annotations.source import Draft, Found, Source
from steelflow.training.data import Skipped, check_classes

GOOD = ("good", "free", "ok", "normal", "none", "no defect", "no_defect", "no-defect", "defect-free", "defect_free")
"""Names of good classes, in any case, if none are given."""

WITHOUT_PLACES = (folders.NAME, table.NAME)
"""Formats that ``training.data.load_images`` can read too."""

_AMONG_PICTURES = (masks.NAME, folders.NAME, table.NAME)  # formats that say where their pictures are


_ROUNDED = 2  # pixels by which programs let a box reach out of its picture
_FEW = 3  # boxes


@dataclass(frozen=True, slots=True)
class Listing:
    """What the annotations say, before any picture is decoded."""

    source: Source
    form: str
    found: Found
    good: tuple[str, ...]  # as they were given
    rule: re.Pattern[str] | None

    @property
    def plain(self) -> bool:
        """Whether there is nothing but classes of defects: no place, and no good class."""
        return not any(
            draft.boxes or draft.mask or draft.label is None or self._is_good(draft.label)
            for draft in self.found.drafts
        )

    @property
    def placed(self) -> bool:
        """Whether the place of any defect is known."""
        return any(draft.boxes or draft.mask for draft in self.found.drafts)

    @property
    def grouped(self) -> bool:
        """Whether somebody said what the groups are."""
        return self.rule is not None or any(draft.group for draft in self.found.drafts)

    def annotations(self, limits: LimitSettings | None = None, *, alike: bool = True) -> Annotations:
        """Decode every picture, and keep what is known about those that can be used.

        Args:
            alike: search for lookalikes; without it, names alone say which pictures belong together.

        Raises:
            DataError: no picture can be used, or the class names are not valid.
            ConfigError: no picture has one of the given good classes, or the rule for groups matches no path.
        """
        limits, good = limits or LimitSettings(), self._good_name()
        limits_of = limits_in(self.source.root, limits)
        items: list[Annotated] = []
        skipped = list(self.found.skipped)
        for draft in self.found.drafts:
            item = _checked(self.source, draft, good, limits, limits_of(draft.path))
            if isinstance(item, Failure):
                skipped.append(Skipped(draft.path, item))
            else:
                items.append(item)
        _refuse_corners(self.source, items, self.found.drafts)
        items = self._in_groups(items, limits_of, alike)
        items.sort(key=lambda item: item.path.split("/"))
        classes = self._classes(items, skipped, good)
        return Annotations(
            root=self.source.root,
            classes=classes,
            good=tuple(name for name in classes if self._is_good(name)),
            items=tuple(items),
            format=self.form,
            skipped=tuple(skipped),
            limits=limits,
        )

    def _in_groups(
        self, items: list[Annotated], limits_of: Callable[[str], LimitSettings], search: bool
    ) -> list[Annotated]:
        """The pictures with their groups. Lookalikes share one, unless somebody said what the groups are."""
        rule, data = self.rule, self.source.given
        if rule is not None and items and not any(rule.search(item.path) for item in items):
            raise ConfigError(f"--group-by {rule.pattern!r} matches no path of {data}, such as {items[0].path}")
        named = [item.group or group_of(item.path, rule) for item in items]
        alike: list[tuple[int, int]] = []
        if items and search and not self.grouped and len(items) <= MOST:
            alike = lookalikes(_thumbnail(self.source.root / item.path, limits_of(item.path)) for item in items)
        groups = joined(named, [item.digest for item in items], alike)
        return [replace(item, group=group) for item, group in zip(items, groups, strict=True)]

    def _is_good(self, label: str) -> bool:
        return label.casefold() in self.source.good

    def _good_name(self) -> str:
        """The class of pictures and pixels without defects: a good class that is there, or else the first given."""
        drafts = self.found.drafts
        there = {draft.label for draft in drafts if draft.label} | {box.label for one in drafts for box in one.boxes}
        return min(filter(self._is_good, there), default=(*self.good, GOOD[0])[0])

    def _classes(self, items: Sequence[Annotated], skipped: Sequence[Skipped], good: str) -> tuple[str, ...]:
        given = self.source.given
        if not items:
            first = f", such as {skipped[0].path}: {skipped[0].failure}" if skipped else ""
            title = FORMATS[self.form].TITLE
            raise DataError(f"{given}: {title}: no picture can be used, {len(skipped)} skipped{first}")
        names = {item.label for item in items} | {box.label for item in items for box in item.boxes}
        if any(item.placed for item in items):
            names.add(good)  # what surrounds a defect is good
        check_classes(given, names, at_least=1)
        known = {name.casefold() for name in names}
        if missing := [name for name in self.good if name.casefold() not in known]:
            raise ConfigError(f"--good {missing[0]!r} is no class of {given}; it has {', '.join(sorted(names))}")
        return tuple(sorted(names))


def load_annotations(
    data: Path,
    *,
    form: str | None = None,
    good: Sequence[str] = (),
    group_by: str | None = None,
    pictures: Path | None = None,
    limits: LimitSettings | None = None,
) -> Annotations:
    """Read the annotations of a data set, and decode every picture once. Pixels are not kept.

    Raises:
        DataError, ConfigError: see ``list_annotations`` and ``Listing.annotations``.
    """
    return list_annotations(data, form=form, good=good, group_by=group_by, pictures=pictures).annotations(limits)


def list_annotations(
    data: Path,
    *,
    form: str | None = None,
    good: Sequence[str] = (),
    group_by: str | None = None,
    pictures: Path | None = None,
) -> Listing:
    """Read the annotations of a data set.

    Args:
        data: a folder, a manifest, or the file of an export.
        form: a name of ``FORMATS``; found by content when not given.
        good: classes that are not defects; those named as in ``GOOD`` when not given.
        group_by: a regular expression that finds the group in a picture's path; see ``groups.group_of``.
        pictures: the folder of the pictures, if the annotations are elsewhere.

    Raises:
        DataError: there is no such data, its format is unclear or damaged, or a path leads out of the folder.
        ConfigError: no such format, or an argument has no effect on it.
    """
    if not data.exists() or (pictures is not None and not pictures.is_dir()):
        raise DataError(f"{pictures if data.exists() else data}: no such folder or file; expected {expected()}")
    rule = rule_of(group_by)
    source = Source(data, pictures, tuple(name.casefold() for name in good or GOOD))
    chosen = format_of(source, form)
    if pictures is not None and chosen.NAME in _AMONG_PICTURES:
        raise ConfigError(f"{chosen.TITLE}: the pictures are where the labels are; omit the folder of the pictures")
    return Listing(source, chosen.NAME, chosen.read(source), tuple(good), rule)


def _checked(source: Source, draft: Draft, good: str, limits: LimitSettings, own: LimitSettings) -> Annotated | Failure:
    """The picture, with its boxes cut at its edges; or the reason why it cannot be used. ``own`` are the picture's
    limits, ``limits`` those of its mask."""
    try:
        data = (source.root / draft.path).read_bytes()
    except OSError as exc:
        return Failure("unreadable", exc.strerror or type(exc).__name__)
    picture = decode(data, own)
    if isinstance(picture, Failure):
        return picture
    size = (picture.shape[0], picture.shape[1])
    if draft.size is not None and draft.size != size:
        return Failure("bad_annotation", f"was annotated at {_told(draft.size)} pixels, the picture has {_told(size)}")
    boxes = [_within(box, *size) for box in draft.boxes]
    if wrong := next((box for box in boxes if isinstance(box, str)), None):
        return Failure("bad_annotation", wrong)
    placed = tuple(box for box in boxes if isinstance(box, Box) and box.label.casefold() not in source.good)
    mask = None if draft.mask is None else masks.look(draft.mask, limits)
    if isinstance(mask, Failure):
        return Failure("bad_mask", f"its mask: {mask.detail}")
    if mask is not None and mask.size != size:
        return Failure("bad_mask", f"its mask has {_told(mask.size)} pixels, it has {_told(size)}")
    label = draft.label or _largest(placed) or good
    if mask is not None and mask.marked and label.casefold() in (*source.good, good.casefold()):
        return Failure("bad_mask", f"its mask shows a defect, its class {label} is good")
    place = draft.mask if mask is not None and mask.marked else None  # an empty mask does not say where the defect is
    return Annotated(draft.path, draft.group or "", label, placed, place, size, hashlib.sha256(data).digest())


def _told(size: tuple[int, int]) -> str:
    return f"{size[1]}×{size[0]}"


def _within(box: Box, height: int, width: int) -> Box | str:
    if not box.label:
        return "a box has no label"
    x, y = max(box.x, 0), max(box.y, 0)
    right, bottom = min(box.x + box.width, width), min(box.y + box.height, height)
    if right <= x or bottom <= y:
        return f"a box of {box.label} at {box.x}, {box.y} is outside the picture of {width}×{height} pixels"
    if right <= 1 and bottom <= 1 and not isinstance(box.shape, Runs):
        return f"a box of {box.label} is in the first pixel; give pixels, not shares of the picture"
    if isinstance(box.shape, Runs) and box.shape.by_column and (box.shape.height, box.shape.width) != (height, width):
        return f"an outline is for {box.shape.width}×{box.shape.height} pixels, the picture has {width}×{height}"
    return replace(box, x=x, y=y, width=right - x, height=bottom - y)


def _refuse_corners(source: Source, items: Sequence[Annotated], drafts: Sequence[Draft]) -> None:
    """Raises ``DataError`` if most boxes of a set reach out of their pictures: cut at the edges, they look right."""
    sizes = {item.path: item.size for item in items}
    boxes = [(box, *sizes[draft.path]) for draft in drafts if draft.path in sizes for box in draft.boxes]
    out = sum(
        box.x + box.width > width + _ROUNDED or box.y + box.height > height + _ROUNDED for box, height, width in boxes
    )
    if out >= _FEW and 2 * out > len(boxes):
        raise DataError(
            f"{source.given}: {out:,} of {len(boxes):,} boxes reach out of their pictures; is a second corner written "
            "as width and height, or were the pictures made smaller? Export the boxes again"
        )


def _largest(boxes: Sequence[Box]) -> str | None:
    """The class with the largest area in boxes."""
    area: defaultdict[str, int] = defaultdict(int)
    for box in boxes:
        area[box.label] += box.width * box.height
    return max(sorted(area), key=lambda label: area[label]) if area else None


def _thumbnail(path: Path, limits: LimitSettings) -> npt.NDArray[np.float32]:
    picture = decode(path.read_bytes(), limits)
    return thumbnail(np.zeros((1, 1), np.uint8) if isinstance(picture, Failure) else picture)
