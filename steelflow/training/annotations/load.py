"""Find the format of a data set, read it, and check every picture of it."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from steelflow.config import LimitSettings
from steelflow.errors import ConfigError, DataError
from steelflow.images.decode import decode
from steelflow.records import Failure
from steelflow.training.annotations import coco, cvat, folders, label_studio, masks, table, voc
from steelflow.training.annotations.groups import group_of, joined, rule_of
from steelflow.training.annotations.item import Annotated, Annotations, Box
from steelflow.training.annotations.shapes import Runs
from steelflow.training.annotations.source import Draft, Found, Source
from steelflow.training.data import Skipped, check_classes

FORMATS: dict[str, ModuleType] = {one.NAME: one for one in (table, coco, label_studio, cvat, voc, masks, folders)}
"""The formats by name. Each is a module with NAME, TITLE, EXPECTS, ``clue`` and ``read``."""

GOOD = ("good", "free", "ok", "normal", "none", "no defect", "no_defect", "no-defect", "defect-free", "defect_free")
"""Names of good classes, in any case, if none are given."""

_PLAIN = (masks.NAME, folders.NAME)  # formats that any folder of pictures may seem to have
_AMONG_PICTURES = (*_PLAIN, table.NAME)  # formats that say where their pictures are


def load_annotations(
    data: Path,
    *,
    form: str | None = None,
    good: Sequence[str] = (),
    group_by: str | None = None,
    pictures: Path | None = None,
    limits: LimitSettings | None = None,
) -> Annotations:
    """Read the annotations of a data set. Every picture is decoded once; pixels are not kept.

    Args:
        data: a folder, a manifest, or the file of an export.
        form: a name of ``FORMATS``; found by content when not given.
        good: classes that are not defects; those named as in ``GOOD`` when not given.
        group_by: a regular expression that finds the group in a picture's path; see ``groups.group_of``.
        pictures: the folder of the pictures, if the annotations are elsewhere.

    Raises:
        DataError: there is no such data, its format is unclear or damaged, a path leads out of the folder, or no
            picture can be used. Pictures that cannot be used are in ``skipped``.
        ConfigError: no such format or good class, or ``group_by`` is wrong or matches no path.
    """
    if not data.exists() or (pictures is not None and not pictures.is_dir()):
        raise DataError(f"{pictures if data.exists() else data}: no such folder or file; expected {_expected()}")
    rule = rule_of(group_by)
    source = Source(data, pictures, tuple(name.casefold() for name in good or GOOD))
    chosen = _format(source, form)
    if pictures is not None and chosen.NAME in _AMONG_PICTURES:
        raise ConfigError(f"{chosen.TITLE}: the pictures are where the labels are; omit the folder of the pictures")
    found: Found = chosen.read(source)
    good_name = _good_name(found, source, good)
    limits = limits or LimitSettings()
    items: list[Annotated] = []
    skipped = list(found.skipped)
    for draft in found.drafts:
        item = _checked(source, draft, good_name, limits)
        if isinstance(item, Failure):
            skipped.append(Skipped(draft.path, item))
        else:
            items.append(item)
    items = _grouped(items, rule, data)
    items.sort(key=lambda item: item.path.split("/"))
    return _together(source, chosen.NAME, items, skipped, good, good_name, limits)


def _format(source: Source, form: str | None) -> ModuleType:
    if form is not None:
        if form not in FORMATS:
            raise ConfigError(f"{form!r} is no format; give one of {', '.join(FORMATS)}")
        return FORMATS[form]
    if source.given.suffix.lower() == ".zip":
        raise DataError(f"{source.given}: is packed; unpack it and name the folder")
    clues = {name: text for name, one in FORMATS.items() if (text := one.clue(source)) is not None}
    certain = [name for name in clues if name not in _PLAIN] or list(clues)[:1]
    if len(certain) > 1:
        there = " and ".join(f"{FORMATS[name].TITLE} ({clues[name]})" for name in certain)
        raise DataError(f"{source.given}: has {there}; choose with --format {' or --format '.join(certain)}")
    if certain:
        return FORMATS[certain[0]]
    suffixes = Counter(Path(name).suffix.lower() or "no suffix" for name in source.files)
    there = ", ".join(f"{count:,} with {suffix}" for suffix, count in suffixes.most_common(4)) or "no files"
    raise DataError(f"{source.given}: no format found: it has {there}; expected {_expected()}")


def _expected() -> str:
    return "; or ".join(f"{one.TITLE}: {one.EXPECTS}" for one in FORMATS.values())


def _good_name(found: Found, source: Source, good: Sequence[str]) -> str:
    """The class of pictures and pixels without defects: a good class that is there, or else the first name given."""
    there = {draft.label for draft in found.drafts if draft.label} | {b.label for d in found.drafts for b in d.boxes}
    names = sorted(name for name in there if name.casefold() in source.good)
    return names[0] if names else good[0] if good else GOOD[0]


def _checked(source: Source, draft: Draft, good: str, limits: LimitSettings) -> Annotated | Failure:
    """The picture, with its boxes cut at its edges; or the reason why it cannot be used."""
    try:
        data = (source.root / draft.path).read_bytes()
    except OSError as exc:
        return Failure("unreadable", exc.strerror or type(exc).__name__)
    picture = decode(data, limits)
    if isinstance(picture, Failure):
        return picture
    size = (picture.shape[0], picture.shape[1])
    boxes = [_within(box, *size) for box in draft.boxes]
    if wrong := next((box for box in boxes if isinstance(box, str)), None):
        return Failure("bad_annotation", wrong)
    placed = tuple(box for box in boxes if isinstance(box, Box) and box.label.casefold() not in source.good)
    mask = None if draft.mask is None else masks.look(draft.mask, limits)
    if isinstance(mask, Failure):
        return Failure("bad_mask", f"its mask: {mask.detail}")
    if mask is not None and mask.size != size:
        return Failure("bad_mask", f"its mask has {mask.size[1]}×{mask.size[0]} pixels, it has {size[1]}×{size[0]}")
    label = draft.label or _largest(placed) or good
    if mask is not None and mask.marked and label.casefold() in (*source.good, good.casefold()):
        return Failure("bad_mask", f"its mask shows a defect, its class {label} is good")
    place = draft.mask if mask is not None and mask.marked else None  # an empty mask does not say where the defect is
    return Annotated(draft.path, draft.group or "", label, placed, place, size, hashlib.sha256(data).digest())


def _within(box: Box, height: int, width: int) -> Box | str:
    if not box.label:
        return "a box has no label"
    x, y = max(box.x, 0), max(box.y, 0)
    right, bottom = min(box.x + box.width, width), min(box.y + box.height, height)
    if right <= x or bottom <= y:
        return f"a box of {box.label} at {box.x}, {box.y} is outside the picture of {width}×{height} pixels"
    if isinstance(box.shape, Runs) and box.shape.by_column and (box.shape.height, box.shape.width) != (height, width):
        return f"an outline is for {box.shape.width}×{box.shape.height} pixels, the picture has {width}×{height}"
    return replace(box, x=x, y=y, width=right - x, height=bottom - y)


def _largest(boxes: Sequence[Box]) -> str | None:
    """The class with the largest area in boxes."""
    area: defaultdict[str, int] = defaultdict(int)
    for box in boxes:
        area[box.label] += box.width * box.height
    return max(sorted(area), key=lambda label: area[label]) if area else None


def _grouped(items: list[Annotated], rule: re.Pattern[str] | None, data: Path) -> list[Annotated]:
    if rule is not None and items and not any(rule.search(item.path) for item in items):
        raise ConfigError(f"--group-by {rule.pattern!r} matches no path of {data}, such as {items[0].path}")
    named = [item.group or group_of(item.path, rule) for item in items]
    groups = joined(named, [item.digest for item in items])
    return [replace(item, group=group) for item, group in zip(items, groups, strict=True)]


def _together(
    source: Source,
    form: str,
    items: list[Annotated],
    skipped: list[Skipped],
    given: Sequence[str],
    good: str,
    limits: LimitSettings,
) -> Annotations:
    names = {item.label for item in items} | {box.label for item in items for box in item.boxes}
    if any(item.placed for item in items):
        names.add(good)  # what surrounds a defect is good
    classes = tuple(sorted(names))
    if not items:
        first = f", such as {skipped[0].path}: {skipped[0].failure}" if skipped else ""
        raise DataError(f"{source.given}: {FORMATS[form].TITLE}: no picture can be used, {len(skipped)} skipped{first}")
    check_classes(source.given, classes, at_least=1)
    missing = [name for name in given if name.casefold() not in {one.casefold() for one in classes}]
    if missing:
        raise ConfigError(f"--good {missing[0]!r} is no class of {source.given}; it has {', '.join(classes)}")
    return Annotations(
        root=source.root,
        classes=classes,
        good=tuple(name for name in classes if name.casefold() in source.good),
        items=tuple(items),
        format=form,
        skipped=tuple(skipped),
        limits=limits,
    )
