"""Pictures of the worst defects of coils, for the report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import polars as pl

from steelflow.archive.by_line import ImageLimits
from steelflow.archive.fetch import ImageRef, fetch_images
from steelflow.coils.defects import report_files
from steelflow.coils.listing import CoilState
from steelflow.coils.proposal import Coil
from steelflow.config import Settings
from steelflow.errors import StoreError
from steelflow.images.decode import Grey, decode
from steelflow.morning.content import Picture
from steelflow.records import Failure, ObjectInfo, Partition
from steelflow.report.regions import RegionReader
from steelflow.report.scan import scan
from steelflow.store import Store, open_store

_IMAGE = ("object_key", "member", "ordinal")
_BOX = ("x", "y", "width", "height")
_ROWS = pl.Schema(
    {"object_key": pl.String(), "member": pl.String(), "ordinal": pl.Int32(), "coil": pl.String(), "label": pl.String()}
    | {"score": pl.Float64(), **dict.fromkeys(_BOX, pl.Int32()), "position": pl.Float64()}
)
_FILES = 16
_SIDE = 240  # pixels
_MARGIN = 0.75  # of the longer side of the box, on each side
_LEAST = 96  # pixels of the frame that a picture shows at least
_BOX_COLOUR = (0, 94, 213)  # blue, green, red
_QUALITY = 85

Row = Mapping[str, Any]


def pictures(
    settings: Settings,
    report: Store,
    date: dt.date,
    coils: Sequence[CoilState],
    most: int,
    where: pl.Expr | None = None,
) -> list[tuple[Picture, ...]]:
    """At most ``most`` pictures of each coil: its regions with the highest score, or, without regions, the images whose
    label is a defect with the highest confidence. The worst one of every class comes first, because a coil may be held
    for any of them. Every picture is of another image.

    Args:
        where: for images without regions: only these.
    """
    chosen: dict[Coil, dict[ImageRef, Row]] = {}
    for line in {one.line for one in coils} if most else ():
        names = [one.coil for one in coils if one.line == line]
        for row in _worst(report, Partition(line, date), coils, names, most, where).iter_rows(named=True):
            chosen.setdefault((line, row["coil"]), {})[_reference(row)] = row
    archive = open_store(settings.archive.uri, settings.store)
    rows = {image: row for own in chosen.values() for image, row in own.items()}
    found = _pictures(archive, rows, ImageLimits.of_archive(settings))
    return [tuple(found[image] for image in chosen.get((one.line, one.coil), ())) for one in coils]


def _worst(
    report: Store,
    partition: Partition,
    coils: Sequence[CoilState],
    names: Sequence[str],
    most: int,
    where: pl.Expr | None,
) -> pl.DataFrame:
    """The rows of ``_ROWS`` to show, at most ``most`` of a coil."""
    files = report_files(report, partition)
    found = pl.DataFrame(schema=_ROWS)
    for start in range(0, len(files), _FILES):
        rows = RegionReader(report).of_files(files[start : start + _FILES]).filter(pl.col("coil").is_in(list(names)))
        own = rows.with_columns(position=pl.col("along")).select(_ROWS.names())
        found = _of_classes(pl.concat([found, own.cast(_ROWS)]), most)
    found = _best(found, most)
    bare = [name for name in names if name not in set(found["coil"])]
    defects = {label for one in coils for label in one.figures.get("classes", {})}
    if bare and defects and files:
        found = pl.concat([found, _images(report, files, bare, defects, most, where)])
    return found


def _images(
    report: Store,
    files: Sequence[ObjectInfo],
    names: Sequence[str],
    labels: set[str],
    most: int,
    where: pl.Expr | None,
) -> pl.DataFrame:
    """The images with the highest confidence; a few coils of one line are read."""
    rows = scan(report, files).filter(pl.lit(True) if where is None else where)
    asked = rows.filter(
        pl.col("status") == "ok", pl.col("coil").is_in(list(names)), pl.col("label").is_in(sorted(labels))
    )
    shown = asked.select(*_IMAGE, "coil", "label", "position", score=pl.col("confidence"))
    best = shown.with_columns(pl.lit(None, pl.Int32).alias(name) for name in _BOX).select(_ROWS.names())
    return _best(_of_classes(best.collect(engine="streaming").cast(_ROWS), most), most)


def _of_classes(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """The rows with the highest score of each class of a coil, each of another image; always the same ones."""
    order = rows.sort("score", *_IMAGE, *_BOX, descending=[True, *[False] * 7], nulls_last=True)
    images = order.unique(["coil", "label", *_IMAGE], keep="first", maintain_order=True)
    return images.group_by("coil", "label", maintain_order=True).head(most).select(rows.columns)


def _best(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """Of the rows of ``_of_classes``: the first one of every class whose image is not shown yet, then the second ones,
    and so on."""
    found = []
    for coil in rows.partition_by("coil", maintain_order=True):
        by_class = [list(own.iter_rows(named=True)) for own in coil.partition_by("label", maintain_order=True)]
        shown: dict[ImageRef, tuple[int, float, Row]] = {}
        for place in range(most):
            for own in sorted(by_class, key=lambda rows: -rows[0]["score"]):
                fresh = next((row for row in own if _reference(row) not in shown), None)
                if fresh is not None:
                    shown[_reference(fresh)] = (place, -fresh["score"], fresh)
        found += [row for _, _, row in sorted(shown.values(), key=lambda one: one[:2])[:most]]
    return pl.DataFrame(found, rows.schema)


def _reference(row: Row) -> ImageRef:
    return ImageRef(row["object_key"], row["member"], row["ordinal"])


def _pictures(archive: Store, rows: Mapping[ImageRef, Row], limits: ImageLimits) -> dict[ImageRef, Picture]:
    """A picture of each image; one image is in memory at a time. A store that fails costs the pictures, not the
    report."""
    found = {image: Picture(None, f"{_caption(row)}: not in the archive") for image, row in rows.items()}
    try:
        for image, data in fetch_images(archive, sorted(rows, key=str), limits.limits) if rows else ():
            picture = data if isinstance(data, Failure) else decode(data, limits.of(image.key, image.member))
            found[image] = _picture(rows[image], picture)
    except StoreError as exc:
        return {image: Picture(None, f"{_caption(row)}: {exc}") for image, row in rows.items()}
    return found


def _picture(row: Row, image: Grey | Failure) -> Picture:
    if isinstance(image, Failure):
        return Picture(None, f"{_caption(row)}: {image}")
    box = None if row["x"] is None else (row["x"], row["y"], row["width"], row["height"])
    return Picture(drawn(image, box), _caption(row))


def _caption(row: Row) -> str:
    where = "" if row["position"] is None else f", {row['position']:,.1f} m"
    return f"{row['label'].replace('_', ' ')} {row['score']:.2f}{where}"


def drawn(image: Grey, box: tuple[int, int, int, int] | None, side: int = _SIDE) -> bytes:
    """A square JPEG of an image, or of a region of it with its surroundings and its box."""
    part, edges = _cut(image, box) if box is not None else (image, None)
    scale = side / max(part.shape)
    size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    coloured = cv2.cvtColor(small, cv2.COLOR_GRAY2BGR)
    if edges is not None:
        left, top, right, bottom = (round(edge * scale) for edge in edges)
        cv2.rectangle(coloured, (left - 2, top - 2), (right + 1, bottom + 1), _BOX_COLOUR, 1)
    canvas: npt.NDArray[np.uint8] = np.full((side, side, 3), 236, np.uint8)
    above, before = (side - size[1]) // 2, (side - size[0]) // 2
    canvas[above : above + size[1], before : before + size[0]] = coloured
    return bytes(cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes())


def _cut(image: Grey, box: tuple[int, int, int, int]) -> tuple[Grey, tuple[int, int, int, int]]:
    """The part of an image around a box, and the edges of the box in it."""
    x, y, width, height = box
    longer = max(width, height)
    size = max(round(longer * (1 + 2 * _MARGIN)), _LEAST)
    left, top = (
        min(max(0, round(start + extent / 2 - size / 2)), max(0, whole - size))
        for start, extent, whole in ((x, width, image.shape[1]), (y, height, image.shape[0]))
    )
    edges = (x - left, y - top, x - left + width, y - top + height)
    return image[top : top + size, left : left + size], edges
