"""COCO JSON: pictures, categories, and boxes with polygons or run lengths. CVAT and Roboflow write it too.

A picture without annotations is good. A file may name pictures beside itself, or below ``images/``.

Source: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from steelflow.errors import LONG_NAME, DataError, shown, without_values
from steelflow.records import Failure
from steelflow.training.annotations import shapes
from steelflow.training.annotations.item import Box
from steelflow.training.annotations.source import Draft, Found, Source

NAME = "coco"
TITLE = "COCO JSON"
EXPECTS = "a JSON object with images, annotations and categories, in the folder or in annotations/"
_KEYS = ("images", "annotations", "categories")


def clue(source: Source) -> str | None:
    """What shows that ``source`` is in this format, if it is."""
    files = _files(source)
    return f"{', '.join(files[:3])} with images, annotations and categories" if files else None


def read(source: Source) -> Found:
    found = Found()
    taken: dict[str, str] = {}
    files = _files(source)
    if not files:
        raise DataError(f"{source.given}: is not COCO JSON; expected {EXPECTS}")
    for file in files:
        where = source.folder / file
        try:
            pictures, sizes, boxes = _parsed(source.json(file))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as exc:
            raise DataError(f"{where}: is not COCO JSON: {_reason(exc)}; expected {EXPECTS}") from exc
        for number, name in pictures.items():
            path = source.find(name, PurePosixPath(file).parent.as_posix().removeprefix("."))
            if isinstance(path, Failure):
                found.skip(name, path.code, path.detail)
                continue
            if path in taken:
                raise DataError(f"{where}: lists {path} again, after {taken[path]}; name one of the files with --data")
            taken[path] = file
            try:
                drawn = tuple(_box(*one) for one in boxes[number])
                found.drafts.append(Draft(path, None, drawn, size=sizes.get(number)))
            except (ValueError, TypeError, KeyError, OverflowError) as exc:
                found.skip(path, "bad_annotation", _reason(exc))
    return found


def _files(source: Source) -> list[str]:
    return [name for name in source.json_files() if _is_coco(source, name)]


def _is_coco(source: Source, name: str) -> bool:
    try:
        found = source.json(name)
    except DataError:
        return False
    return isinstance(found, dict) and all(isinstance(found.get(key), list) for key in _KEYS)


_Boxes = dict[int, list[tuple[str, dict[str, Any]]]]


def _parsed(found: Any) -> tuple[dict[int, str], dict[int, tuple[int, int]], _Boxes]:
    """By number: the pictures' names and, where they are given, height and width; the annotations with their class."""
    names = _by_number("categories", ((one["id"], str(one["name"]).strip()) for one in found["categories"]))
    pictures = _by_number("images", ((one["id"], str(one["file_name"])) for one in found["images"]))
    sizes = {one["id"]: (one["height"], one["width"]) for one in found["images"] if one.get("height")}
    boxes: _Boxes = defaultdict(list)
    for one in found["annotations"]:
        if one["image_id"] not in pictures:
            raise ValueError(f"annotation {one.get('id')} is of image {one['image_id']}, which is not listed")
        boxes[one["image_id"]].append((names[one["category_id"]], one))
    return pictures, sizes, boxes


def _by_number(what: str, given: Iterable[tuple[int, str]]) -> dict[int, str]:
    """Raises ``ValueError`` if two have one number: their annotations cannot be told apart."""
    names: dict[int, str] = {}
    for number, name in given:
        if names.setdefault(number, name) != name:
            raise ValueError(
                f"of its {what}, {shown(names[number])} and {shown(name)} have the id {number}; were files joined?"
            )
    return names


def _box(label: str, found: dict[str, Any]) -> Box:
    shape = _shape(found.get("segmentation"))
    if shape is not None:
        around = shapes.bounds(shape)
        if around is None:
            raise ValueError(f"an outline of {label} is empty")
    else:
        given = found.get("bbox") or ()
        x, y, width, height = (float(value) for value in given)
        if not all(math.isfinite(v) and abs(v) < 1e6 for v in (x, y, width, height)) or width < 0 or height < 0:
            raise ValueError(f"a box of {label} is {shown(given, LONG_NAME)}, not x, y, width and height in pixels")
        around = shapes.enclosing(x, y, x + width, y + height)
    return Box(label, *around, shape)


def _shape(found: Any) -> shapes.Shape | None:
    if not found:
        return None
    if isinstance(found, dict):
        height, width = found["size"]
        return shapes.runs(found["counts"], int(height), int(width))
    return shapes.polygons(found)


def _reason(exc: Exception) -> str:
    if isinstance(exc, KeyError):
        return f"{shown(exc.args[0])} is missing"
    return without_values(str(exc)) or type(exc).__name__
