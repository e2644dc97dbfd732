"""CVAT's own format, ``CVAT for images 1.1``: one XML file for all pictures. Its COCO and VOC exports are read as such.

Boxes, polygons and masks have a place; a tag gives a class without one. A picture without any of them is good.

Source: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelflow.errors import DataError, without_values
from steelflow.records import Failure
from steelflow.training.annotations import shapes
from steelflow.training.annotations.item import Box
from steelflow.training.annotations.safe_xml import number, parse
from steelflow.training.annotations.source import Draft, Found, Source

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

NAME = "cvat"
TITLE = "CVAT for images"
EXPECTS = "an XML file with <annotations> and an <image> for each picture, beside the pictures or above images/"


def clue(source: Source) -> str | None:
    """What shows that ``source`` is in this format, if it is."""
    file = _file(source)
    return None if file is None or parse(source.folder / file).tag != "annotations" else file


def read(source: Source) -> Found:
    file = _file(source)
    where = source.given if file is None else source.folder / file
    root = None if file is None else parse(where)
    if root is None or root.tag != "annotations":
        raise DataError(f"{where}: is not an export of CVAT; expected {EXPECTS}")
    if root.find("track") is not None:
        raise DataError(f"{where}: has tracks of a video; export it from CVAT as `CVAT for images 1.1`")
    found = Found()
    taken: set[str] = set()
    for image in root.iter("image"):
        name = (image.get("name") or "").strip()
        path = source.find(name)
        if isinstance(path, Failure):
            found.skip(name, path.code, path.detail)
            continue
        if path in taken:
            raise DataError(f"{where}: lists {path} again; list every picture once")
        taken.add(path)
        try:
            found.drafts.append(_draft(path, image))
        except (ValueError, TypeError) as exc:
            found.skip(path, "bad_annotation", without_values(str(exc)))
    return found


def _file(source: Source) -> str | None:
    """The XML file at the top: ``annotations.xml`` if there is one."""
    files = [name for name in source.named(".xml") if "/" not in name]
    return "annotations.xml" if "annotations.xml" in files else files[0] if files else None


def _draft(path: str, image: Element) -> Draft:
    tags = [_label(one) for one in image.iter("tag")]
    boxes = []
    for one in image:
        if one.tag in _READERS:
            boxes.append(_READERS[one.tag](one))
        elif one.tag != "tag":
            raise ValueError(f"<{one.tag}> has no area that can be read; draw boxes, polygons or masks")
    if len(set(tags)) > 1:
        raise ValueError(f"has several tags: {', '.join(sorted(set(tags)))}; leave one")
    height, width = (round(number(image.get(name) or "0")) for name in ("height", "width"))
    size = (height, width) if height > 0 and width > 0 else None
    return Draft(path, tags[0] if tags and not boxes else None, tuple(boxes), size=size)


def _label(one: Element) -> str:
    return (one.get("label") or "").strip()


def _rectangle(one: Element) -> Box:
    left, top, right, bottom = (number(one.get(name)) for name in ("xtl", "ytl", "xbr", "ybr"))
    if right < left or bottom < top:
        raise ValueError(f"a box of {_label(one)} ends before it begins")
    turned = number(one.get("rotation") or "0") % 360
    if not turned:
        return Box(_label(one), *shapes.enclosing(left, top, right, bottom))
    return _outlined(one, shapes.turned(left, top, right - left, bottom - top, turned))


def _polygon(one: Element) -> Box:
    points = [number(value) for pair in (one.get("points") or "").split(";") for value in pair.split(",")]
    return _outlined(one, shapes.polygons([points]))


def _mask(one: Element) -> Box:
    left, top, width, height = (int(number(one.get(name))) for name in ("left", "top", "width", "height"))
    counts = tuple(int(count) for count in (one.get("rle") or "").split(","))
    return _outlined(one, shapes.checked(shapes.Runs(counts, height, width, left, top, by_column=False)))


def _outlined(one: Element, shape: shapes.Shape) -> Box:
    around = shapes.bounds(shape)
    if around is None:
        raise ValueError(f"a mask of {_label(one)} is empty")
    return Box(_label(one), *around, shape)


_READERS = {"box": _rectangle, "polygon": _polygon, "mask": _mask}
