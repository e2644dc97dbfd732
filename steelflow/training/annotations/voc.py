"""Pascal VOC: one XML file a picture, beside the pictures or in ``Annotations/``.

A file without objects says that its picture is good. A picture without a file is skipped, unless its folder has the
name of a good class. Coordinates count from 1, and the last pixel belongs to the box.

Source: M. Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 2010, development kit.
"""

from __future__ import annotations

import math
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from steelflow.errors import DataError, without_values
from steelflow.records import Failure
from steelflow.training.annotations.item import Box
from steelflow.training.annotations.safe_xml import number, parse
from steelflow.training.annotations.source import Draft, Found, Source, inside, is_picture

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

NAME = "voc"
TITLE = "Pascal VOC"
EXPECTS = "an XML file with an <annotation> for each picture, beside it or in Annotations/"


def clue(source: Source) -> str | None:
    """What shows that ``source`` is in this format, if it is."""
    files = source.named(".xml")
    if not files or source.given.is_file() or parse(source.folder / files[0]).tag != "annotation":
        return None
    return f"{len(files):,} XML files, such as {files[0]}"


def read(source: Source) -> Found:
    found = Found()
    annotated: set[str] = set()
    files = source.named(".xml")
    if not files:
        raise DataError(f"{source.given}: has no XML files; expected {EXPECTS}")
    for file in files:
        root = parse(source.folder / file)
        if root.tag != "annotation":
            found.skip(file, "not_voc", f"its root is <{root.tag}>, not <annotation>")
            continue
        path = _picture(source, file, root)
        if isinstance(path, Failure):
            found.skip(file, path.code, path.detail)
            continue
        if path in annotated:
            raise DataError(f"{source.folder / file}: {path} has another XML file already; keep one of them")
        annotated.add(path)
        try:
            boxes = tuple(_box(one) for one in root.iter("object"))
            found.drafts.append(Draft(path, None, boxes, size=_size(root)))
        except ValueError as exc:
            found.skip(path, "bad_annotation", without_values(str(exc)))
    _without_file(source, annotated, found)
    return found


def _without_file(source: Source, annotated: set[str], found: Found) -> None:
    for path in source.pictures:
        folder = PurePosixPath(path).parent.name
        if path in annotated or folder.startswith("Segmentation"):  # VOC's masks
            continue
        if folder.casefold() in source.good:
            found.drafts.append(Draft(path, folder))
        else:
            found.skip(path, "no_annotation", "there is no XML file for this picture")


def _box(element: Element) -> Box:
    label = (element.findtext("name") or "").strip()
    left, top, right, bottom = (number(element.findtext(f"bndbox/{name}")) for name in _EDGES)
    x, y = math.floor(left) - 1, math.floor(top) - 1
    if right < left or bottom < top:
        raise ValueError(f"a box of {label} ends before it begins")
    return Box(label, x, y, max(math.ceil(right) - x, 1), max(math.ceil(bottom) - y, 1))


def _size(root: Element) -> tuple[int, int] | None:
    """Height and width; some programs write 0 or nothing."""
    height, width = (round(number(root.findtext(f"size/{name}") or "0")) for name in ("height", "width"))
    return (height, width) if height > 0 and width > 0 else None


def _picture(source: Source, file: str, root: Element) -> str | Failure:
    """The picture of an XML file: in the same folder or the corresponding one, by the file's own name or the one in
    it."""
    own = PurePosixPath(file)
    folder = own.parent.as_posix()
    same = source.of_stem(own.stem)
    beside = [path for path in same if PurePosixPath(path).parent.as_posix() == folder]
    if len(beside) == 1:
        return beside[0]
    named = (root.findtext("filename") or "").strip()
    if named and is_picture(inside(named, source.folder / file)):
        near = "/".join("JPEGImages" if part == "Annotations" else part for part in own.parent.parts)
        found = source.find(named, near)
        if isinstance(found, str) or len(same) != 1:
            return found
    if len(same) == 1:
        return same[0]
    return Failure("missing", f"there is no picture {own.stem} below {source.root}")


_EDGES = ("xmin", "ymin", "xmax", "ymax")
