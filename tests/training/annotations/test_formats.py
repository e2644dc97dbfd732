"""Each format with the same two pictures: one good, one with a defect at x 10 to 19, y 20 to 29."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from drawn import mask, picture

from steelflow.errors import ConfigError, DataError
from steelflow.training.annotations import FORMATS, load_annotations

SQUARE = [10, 20, 19, 20, 19, 29, 10, 29]


def _two(root: Path, bad: str = "bad.png", fine: str = "fine.png") -> None:
    picture(root / bad, 1, defect=True)
    picture(root / fine, 2)


def folders_with_masks(root: Path) -> Path:
    _two(root, "scratch/bad.jpg", "ok/fine.jpg")
    mask(root / "scratch/bad.png")
    return root


def mvtec(root: Path) -> Path:
    _two(root, "test/scratch/000.png", "train/good/000.png")
    mask(root / "ground_truth/scratch/000_mask.png")
    return root


def masks_without_classes(root: Path) -> Path:
    _two(root, "images/bad.png", "images/fine.png")
    mask(root / "masks/bad.png", value=1)
    mask(root / "masks/fine.png", value=0)
    return root


VOC = """<annotation><filename>{name}</filename><object><name>scratch</name>
<bndbox><xmin>11</xmin><ymin>21</ymin><xmax>20</xmax><ymax>30</ymax></bndbox></object></annotation>"""
VOC_EMPTY = "<annotation><filename>fine.png</filename></annotation>"


def voc_beside(root: Path) -> Path:
    _two(root)
    (root / "bad.xml").write_text(VOC.format(name="other-name.jpg"))
    (root / "fine.xml").write_text(VOC_EMPTY)
    return root


def voc_apart(root: Path) -> Path:
    _two(root, "JPEGImages/bad.png", "JPEGImages/fine.png")
    (root / "Annotations").mkdir()
    (root / "Annotations/bad.xml").write_text(VOC.format(name="bad.png"))
    (root / "Annotations/fine.xml").write_text(VOC_EMPTY)
    return root


def coco_of(segmentation: object, folder: str = "images/") -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        _two(root, f"{folder}bad.png", f"{folder}fine.png")
        annotation = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 20, 10, 10], "segmentation": segmentation}
        (root / "annotations").mkdir()
        (root / "annotations/instances_default.json").write_text(
            json.dumps(
                {
                    "images": [
                        {"id": 7, "file_name": "bad.png", "height": 48, "width": 64},
                        {"id": 8, "file_name": "fine.png", "height": 48, "width": 64},
                    ],
                    "categories": [{"id": 3, "name": "scratch"}],
                    "annotations": [annotation],
                }
            )
        )
        return root

    return write


RUNS = [10 * 48 + 20, *[10, 38] * 9, 10, 44 * 48 + 18]  # by column: ten runs of ten, beginning at column 10, row 20

COMPRESSED = r"d?:V100000000000000000\Q2"  # the same, as pycocotools 2.0.11 encodes it


def cvat(root: Path) -> Path:
    _two(root, "images/bad.png", "images/fine.png")
    (root / "annotations.xml").write_text(
        """<annotations><version>1.1</version><meta/>
        <image id="0" name="bad.png" width="64" height="48">
        <box label="scratch" xtl="10" ytl="20" xbr="20" ybr="30" z_order="0"/></image>
        <image id="1" name="fine.png" width="64" height="48"/></annotations>"""
    )
    return root


def cvat_mask(root: Path) -> Path:
    cvat(root)
    text = (root / "annotations.xml").read_text()
    box = text[text.index("<box") : text.index("/>", text.index("<box")) + 2]
    drawn = '<mask label="scratch" left="10" top="20" width="10" height="10" rle="0,100"/>'
    (root / "annotations.xml").write_text(text.replace(box, drawn))
    return root


def cvat_polygon(root: Path) -> Path:
    cvat(root)
    text = (root / "annotations.xml").read_text()
    box = text[text.index("<box") : text.index("/>", text.index("<box")) + 2]
    drawn = '<polygon label="scratch" points="10,20;19,20;19,29;10,29"/>'
    (root / "annotations.xml").write_text(text.replace(box, drawn))
    return root


def label_studio(root: Path) -> Path:
    _two(root, "upload/1/bad.png", "upload/1/fine.png")
    value = {
        "x": 100 * 10 / 64,
        "y": 100 * 20 / 48,
        "width": 100 * 10 / 64,
        "height": 100 * 10 / 48,
        "rotation": 0,
        "rectanglelabels": ["scratch"],
    }
    result = {"type": "rectanglelabels", "original_width": 64, "original_height": 48, "value": value}
    tasks = [
        {
            "id": 1,
            "data": {"image": "/data/upload/1/12ab34cd-bad.png"},
            "annotations": [
                {"result": [], "was_cancelled": True, "updated_at": "2026-02-02"},
                {"result": [result], "updated_at": "2026-01-02"},
                {"result": [], "updated_at": "2026-01-01"},
            ],
        },
        {
            "id": 2,
            "data": {"image": "/data/local-files/?d=upload/1/fine.png"},
            "annotations": [{"result": []}],
        },
    ]
    (root / "project-1.json").write_text(json.dumps(tasks))
    return root


def manifest(root: Path) -> Path:
    _two(root)
    (root / "labels.csv").write_text("path,label,x,y,width,height\nbad.png,scratch,10,20,10,10\nfine.png,ok,,,,\n")
    return root / "labels.csv"


def manifest_with_mask(root: Path) -> Path:
    _two(root)
    mask(root / "m/bad.png")
    rows = {"path": ["bad.png", "fine.png"], "label": ["scratch", "ok"], "mask": ["m/bad.png", None]}
    pl.DataFrame(rows).write_parquet(root / "labels.parquet")
    return root / "labels.parquet"


WAYS = {
    "folders with masks": (folders_with_masks, "masks"),
    "MVTec": (mvtec, "masks"),
    "masks without classes": (masks_without_classes, "masks"),
    "VOC beside": (voc_beside, "voc"),
    "VOC apart": (voc_apart, "voc"),
    "COCO box": (coco_of([]), "coco"),
    "COCO polygon": (coco_of([SQUARE]), "coco"),
    "COCO run lengths": (coco_of({"counts": RUNS, "size": [48, 64]}), "coco"),
    "COCO compressed run lengths": (coco_of({"counts": COMPRESSED, "size": [48, 64]}), "coco"),
    "COCO in subfolders": (coco_of([SQUARE], "images/night/line1/"), "coco"),
    "CVAT box": (cvat, "cvat"),
    "CVAT mask": (cvat_mask, "cvat"),
    "CVAT polygon": (cvat_polygon, "cvat"),
    "Label Studio": (label_studio, "label-studio"),
    "manifest": (manifest, "manifest"),
    "manifest with mask": (manifest_with_mask, "manifest"),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_format_gives_the_same_defect_at_the_same_place(way: str, tmp_path: Path) -> None:
    write, name = WAYS[way]
    data = load_annotations(write(tmp_path))
    assert data.format == name
    assert data.skipped == ()
    assert len(data.items) == 2
    assert len(data.good) == 1
    defect = "defect" if way == "masks without classes" else "scratch"
    bad = next(item for item in data.items if item.label == defect)
    fine = next(item for item in data.items if item.label in data.good)
    grey, classes = data.read(bad)
    assert grey.shape == classes.shape == bad.size == (48, 64)
    expected = np.full((48, 64), data.classes.index(data.good[0]))
    assert (data.read(fine)[1] == expected).all()
    expected[20:30, 10:20] = data.classes.index(defect)
    assert (classes == expected).all()


@pytest.mark.parametrize("way", WAYS)
def test_a_format_can_be_forced_and_a_wrong_one_says_what_it_expects(way: str, tmp_path: Path) -> None:
    write, name = WAYS[way]
    source = write(tmp_path)
    assert load_annotations(source, form=name).items == load_annotations(source).items
    for other in set(FORMATS) - {name, "folders", "masks"}:
        with pytest.raises(DataError, match=r"expected|no picture can be used"):
            load_annotations(source, form=other)


def test_class_folders_stay_as_they_are(tmp_path: Path) -> None:
    _two(tmp_path, "crack/1.png", "good/2.png")
    picture(tmp_path / "crack/night/3.png", 3)
    (tmp_path / "README.md").write_text("about")
    data = load_annotations(tmp_path)
    assert (data.format, data.classes, data.good, data.placed) == ("folders", ("crack", "good"), ("good",), False)
    assert [item.path for item in data.items] == ["crack/1.png", "crack/night/3.png", "good/2.png"]
    assert np.unique(data.read(data.items[0])[1]).tolist() == [255]
    assert np.unique(data.read(data.items[2])[1]).tolist() == [1]


def test_pictures_may_be_in_another_folder(tmp_path: Path) -> None:
    (tmp_path / "boxes/crack").mkdir(parents=True)
    (tmp_path / "boxes/crack/bad.xml").write_text(VOC.format(name="bad.png"))
    picture(tmp_path / "pictures/crack/bad.png", defect=True)
    data = load_annotations(tmp_path / "boxes", pictures=tmp_path / "pictures")
    assert [item.path for item in data.items] == ["crack/bad.png"]
    assert data.root == tmp_path / "pictures"


def test_two_formats_at_once_are_an_error_that_names_both(tmp_path: Path) -> None:
    coco_of([])(tmp_path)
    (tmp_path / "images/bad.xml").write_text(VOC.format(name="bad.png"))
    with pytest.raises(DataError, match=r"COCO JSON .* and Pascal VOC .* --format coco or --format voc"):
        load_annotations(tmp_path)


def test_no_format_says_what_is_there_and_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(DataError, match=r"it has 1 with \.txt; expected manifest: .* class folders: "):
        load_annotations(tmp_path)
    with pytest.raises(ConfigError, match="'yolo' is no format; give one of manifest, coco"):
        load_annotations(tmp_path, form="yolo")
    with pytest.raises(DataError, match="no such folder or file"):
        load_annotations(tmp_path / "nothing")


def test_good_classes_are_found_by_name_or_given(tmp_path: Path) -> None:
    _two(tmp_path, "crack/1.png", "No Defect/2.png")
    assert load_annotations(tmp_path).good == ("No Defect",)
    assert load_annotations(tmp_path, good=["crack"]).good == ("crack",)
    with pytest.raises(ConfigError, match=r"--good 'nice' is no class of .*; it has No Defect, crack"):
        load_annotations(tmp_path, good=["nice"])
