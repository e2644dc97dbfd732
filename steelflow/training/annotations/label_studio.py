"""Label Studio's JSON export: rectangles and polygons in per cent of the picture, or one choice for all of it.

The newest annotation of a task counts. One without results says that the picture is good. Tasks that nobody has
annotated are skipped. Brush strokes are refused, because their encoding is Label Studio's own.

Source: https://labelstud.io/guide/export and https://labelstud.io/tags/rectanglelabels
"""

from __future__ import annotations

import math
import re
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from steelflow.errors import DataError, without_values
from steelflow.records import Failure
from steelflow.training.annotations import shapes
from steelflow.training.annotations.item import Box
from steelflow.training.annotations.source import Draft, Found, Source, inside, is_picture

NAME = "label-studio"
TITLE = "Label Studio JSON"
EXPECTS = "a JSON list of tasks, each with data and annotations"
_UPLOADED = re.compile(r"[0-9a-f]{8}-")  # Label Studio puts this before the name of an uploaded file


def clue(source: Source) -> str | None:
    """What shows that ``source`` is in this format, if it is."""
    return next((name for name in source.json_files() if _is_export(source, name)), None)


def read(source: Source) -> Found:
    file = clue(source)
    if file is None:
        raise DataError(
            f"{source.given}: is not an export of Label Studio; expected {EXPECTS}: export as JSON, not as JSON-MIN"
        )
    where, found = source.folder / file, Found()
    taken: set[str] = set()
    for number, task in enumerate(source.json(file), 1):
        try:
            name = _name(task["data"])
            results = _results(task)
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            found.skip(f"{file}, task {number}", "bad_annotation", without_values(str(exc)))
            continue
        path = _picture(source, name, PurePosixPath(file).parent.as_posix().removeprefix("."))
        if isinstance(path, Failure):
            found.skip(name, path.code, path.detail)
        elif path in taken:
            raise DataError(f"{where}: lists {path} again; list every picture once")
        elif results is None:
            found.skip(path, "no_annotation", "nobody has annotated this task")
        else:
            taken.add(path)
            _add(found, where, path, results)
    return found


def _is_export(source: Source, name: str) -> bool:
    try:
        found = source.json(name)
    except DataError:
        return False
    first = found[0] if isinstance(found, list) and found else None
    return isinstance(first, dict) and isinstance(first.get("data"), dict) and "annotations" in first


def _add(found: Found, where: Path, path: str, results: list[dict[str, Any]]) -> None:
    boxes: list[Box] = []
    choices: list[str] = []
    size: tuple[int, int] | None = None
    try:
        for one in results:
            if one["type"] in ("rectanglelabels", "polygonlabels"):
                size = (int(one["original_height"]), int(one["original_width"]))
            kind, value = one["type"], one["value"]
            if kind == "rectanglelabels":
                boxes.append(_rectangle(one, value))
            elif kind == "polygonlabels":
                boxes.append(_polygon(one, value))
            elif kind == "choices":
                choices += value["choices"]
            elif kind == "brushlabels":
                raise DataError(
                    f"{where}: {path} has brush strokes, which are not read; draw rectangles or polygons, or export as "
                    "COCO with run lengths"
                )
    except (ValueError, TypeError, KeyError) as exc:
        found.skip(path, "bad_annotation", _reason(exc))
        return
    if len(choices) > 1 and not boxes:
        found.skip(path, "bad_annotation", f"has several choices: {', '.join(choices)}; leave one")
        return
    found.drafts.append(Draft(path, choices[0] if choices and not boxes else None, tuple(boxes), size=size))


def _reason(exc: Exception) -> str:
    text = without_values(str(exc))
    return text if isinstance(exc, ValueError) else f"a result lacks {text}"


def _results(task: dict[str, Any]) -> list[dict[str, Any]] | None:
    valid = [one for one in task["annotations"] if not one.get("was_cancelled")]
    if not valid:
        return None
    newest = max(valid, key=lambda one: str(one.get("updated_at") or one.get("created_at") or ""))
    results: list[dict[str, Any]] = newest["result"]
    return results


def _name(data: dict[str, Any]) -> str:
    """The picture that a task names: below ``d=`` for local files, else the path of its URL."""
    for value in data.values():
        if isinstance(value, str):
            parts = urlsplit(value)
            local = parse_qs(parts.query).get("d")
            name = local[0] if local else unquote(parts.path)
            if is_picture(name):
                return name.lstrip("/")
    raise ValueError("its data names no picture")


def _picture(source: Source, name: str, near: str) -> str | Failure:
    """By as much of the name as there is here: the folders that Label Studio served it from may be missing."""
    parts = PurePosixPath(inside(name, source.given)).parts
    tries = ["/".join(parts[start:]) for start in range(len(parts))]
    if _UPLOADED.match(parts[-1]):
        tries.append(parts[-1][9:])
    found: str | Failure = Failure("missing", f"there is no such picture below {source.root}")
    for one in tries:
        found = source.find(one, near)
        if isinstance(found, str) or found.code == "ambiguous":
            return found
    return found


def _rectangle(one: dict[str, Any], value: dict[str, Any]) -> Box:
    label = _only(value["rectanglelabels"])
    across, along = _scale(one)
    x, width = (float(value[name]) * across for name in ("x", "width"))
    y, height = (float(value[name]) * along for name in ("y", "height"))
    if not all(math.isfinite(v) for v in (x, y, width, height)) or width < 0 or height < 0:
        raise ValueError(f"a rectangle of {label} is not x, y, width and height in per cent")
    turned = float(value.get("rotation") or 0) % 360
    if not turned:
        return Box(label, *shapes.enclosing(x, y, x + width, y + height))
    return _outlined(label, shapes.rectangle(x, y, width, height, turned))


def _polygon(one: dict[str, Any], value: dict[str, Any]) -> Box:
    across, along = _scale(one)
    points = [v for x, y in value["points"] for v in (float(x) * across, float(y) * along)]
    return _outlined(_only(value["polygonlabels"]), shapes.polygons([points]))


def _outlined(label: str, shape: shapes.Polygons) -> Box:
    around = shapes.bounds(shape)
    assert around is not None, "a polygon has bounds"
    return Box(label, *around, shape)


def _scale(one: dict[str, Any]) -> tuple[float, float]:
    """Pixels a per cent, across and along."""
    width, height = one["original_width"], one["original_height"]
    if not (0 < width < 1e6 and 0 < height < 1e6):
        raise ValueError(f"its picture has {width}×{height} pixels")
    return width / 100, height / 100


def _only(labels: list[str]) -> str:
    if len(labels) != 1 or not isinstance(labels[0], str):
        raise ValueError(f"a region has {len(labels)} labels; give one")
    return labels[0].strip()
