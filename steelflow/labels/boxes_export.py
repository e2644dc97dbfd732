"""Labels of regions as files that other programs read: COCO JSON or Pascal VOC, with the images.

Sources:
    https://cocodataset.org/#format-data
    M. Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 2010, development kit.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from steelflow.config import LimitSettings
from steelflow.errors import DataError, LabelError
from steelflow.images.decode import decode
from steelflow.labels.boxes import BOX
from steelflow.labels.snapshot import Part, part_of
from steelflow.labels.store import LabelStore, suffix_of
from steelflow.records import Failure

BoxFormat = Literal["coco", "voc"]
_Write = Callable[[Path, "Iterator[_Picture]"], None]


@dataclass(frozen=True, slots=True)
class Boxed:
    """What was written: images, the boxes of each class, and good images without boxes. ``left_out`` images have a
    class but no box, which these formats cannot say. ``retired`` counts the labels of retired classes, by class, which
    are left out, too."""

    images: int
    boxes: dict[str, int]
    good: int
    left_out: int
    retired: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Picture:
    name: str  # of the file
    height: int
    width: int
    boxes: tuple[tuple[str, int, int, int, int], ...]


def write_boxes(
    labels: LabelStore,
    folder: Path,
    kind: BoxFormat,
    part: Part | None = None,
    good: Collection[str] = (),
    limits: LimitSettings | None = None,
) -> Boxed:
    """Write the images with labelled regions, and the good ones, to the empty ``folder``. Regions that are no defect
    are boxes of the good class. Images of the golden set are left out.

    Args:
        part: only these images; by default training and evaluation.
        good: names of classes of whole images that mean "no defect", besides those that a person called good.

    Raises:
        DataError: no image has a box or is good.
        LabelError: an image is missing, was changed, or cannot be read.
    """
    regions, whole = (_chosen(labels, rows, part) for rows in (labels.regions(), labels.current()))
    of_image = {image: tuple(rows.select("label", *BOX).iter_rows()) for (image,), rows in regions.group_by("image")}
    is_good = pl.col("verdict").eq_missing("good") | pl.col("label").is_in(list(good))
    plain = whole.filter(is_good, ~pl.col("image").is_in(list(of_image)))["image"].to_list()
    images = sorted([*of_image, *plain])
    retired = counted(_chosen(labels, labels.of_retired_classes(regions=True), part))
    if not images:
        raise DataError(
            f"{labels.uri}: no labelled image has a box or is good{_but(retired)}; label regions on the page Review of "
            "the dashboard"
        )
    write: _Write = _coco if kind == "coco" else _voc
    write(folder, _kept(labels, images, of_image, folder / _PICTURES[kind], limits or LimitSettings()))
    counts = counted(regions)
    left_out = whole.filter(~pl.col("image").is_in(images)).height
    return Boxed(len(images), counts, len(plain), left_out, retired)


def counted(rows: pl.DataFrame) -> dict[str, int]:
    """How many rows each class has."""
    return dict(rows.group_by("label").len().sort("label").iter_rows())


def _but(retired: dict[str, int]) -> str:
    return f", but for those of retired classes ({', '.join(retired)})" if retired else ""


def _chosen(labels: LabelStore, rows: pl.DataFrame, part: Part | None) -> pl.DataFrame:
    golden = labels.golden()
    held_out = [] if golden is None else golden.chosen["image"].to_list()
    rows = rows.filter(~pl.col("image").is_in(held_out))
    if part is None:
        return rows
    return rows.filter(pl.Series([part_of(image) == part for image in rows["image"]], dtype=pl.Boolean))


def _kept(
    labels: LabelStore,
    images: list[str],
    boxes: dict[str, tuple[tuple[str, int, int, int, int], ...]],
    folder: Path,
    limits: LimitSettings,
) -> Iterator[_Picture]:
    """Each image, after it was written with unchanged bytes."""
    folder.mkdir(parents=True)
    limits_of = labels.limits_of(limits)
    for image, data in labels.images.get_many(images):
        picture = decode(data, limits_of(image))
        if isinstance(picture, Failure):
            raise LabelError(
                f"{labels.uri}: labelled image {image[:16]} cannot be read ({picture}); withdraw its label"
            )
        name = f"{image[:16]}{suffix_of(data)}"
        (folder / name).write_bytes(data)
        height, width = picture.shape
        yield _Picture(name, height, width, boxes.get(image, ()))


def _coco(folder: Path, pictures: Iterator[_Picture]) -> None:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    numbers: dict[str, int] = {}
    for number, one in enumerate(pictures, 1):
        images.append({"id": number, "file_name": one.name, "width": one.width, "height": one.height})
        for label, x, y, width, height in one.boxes:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": numbers.setdefault(label, len(numbers) + 1),
                    "bbox": [x, y, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number, "name": label} for label, number in numbers.items()]
    found = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances.json").write_text(json.dumps(found, indent=1))


def _voc(folder: Path, pictures: Iterator[_Picture]) -> None:
    there = folder / "Annotations"
    there.mkdir()
    for one in pictures:
        root = ElementTree.Element("annotation")
        _text(root, "filename", one.name)
        size = ElementTree.SubElement(root, "size")
        for name, value in (("width", one.width), ("height", one.height), ("depth", 1)):
            _text(size, name, value)
        for label, x, y, width, height in one.boxes:
            found = ElementTree.SubElement(root, "object")
            _text(found, "name", label)
            box = ElementTree.SubElement(found, "bndbox")  # counts from 1, and its last pixel belongs to it
            for name, value in (("xmin", x + 1), ("ymin", y + 1), ("xmax", x + width), ("ymax", y + height)):
                _text(box, name, value)
        ElementTree.indent(root)
        path = there / f"{Path(one.name).stem}.xml"
        path.write_bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _text(parent: ElementTree.Element, name: str, value: object) -> None:
    ElementTree.SubElement(parent, name).text = str(value)


_PICTURES = {"coco": "images", "voc": "JPEGImages"}
