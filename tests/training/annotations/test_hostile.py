"""Files that are damaged, or made to do harm: one line that says what is wrong, or a picture that is skipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn import mask, picture

from steelflow.errors import DataError
from steelflow.training.annotations import load_annotations
from steelflow.training.annotations import source as sources

BOMB = """<?xml version="1.0"?><!DOCTYPE annotation [<!ENTITY a "{a}"><!ENTITY b "&a;&a;&a;">]>
<annotation><filename>&b;</filename></annotation>"""
STEMS = ("10:30:00", "resized")
OBJECT = "<object><name>{label}</name><bndbox>{edges}</bndbox></object>"


def coco(root: Path, name: str = "bad.png", **annotation: Any) -> Path:
    picture(root / "fine.png")
    picture(root / "bad.png", 1, defect=True)
    images = [{"id": 1, "file_name": "fine.png"}, {"id": 2, "file_name": name}]
    given = {"id": 1, "image_id": 2, "category_id": 1, "bbox": [10, 20, 10, 10]} | annotation
    content = {"images": images, "categories": [{"id": 1, "name": "scratch"}], "annotations": [given]}
    (root / "coco.json").write_text(json.dumps(content))
    return root


@pytest.mark.parametrize("name", ["../../etc/passwd.png", "/etc/passwd.png", "a\0b.png", "C:\\x.png", ".."])
def test_a_path_that_leaves_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"coco|must be inside the folder"):
        load_annotations(coco(tmp_path, name))


@pytest.mark.parametrize("name", ["../outside.png", "/outside.png"])
@pytest.mark.parametrize("form", ["voc", "cvat", "label-studio", "manifest", "mask"])
def test_no_format_follows_a_path_out_of_its_folder(name: str, form: str, tmp_path: Path) -> None:
    picture(tmp_path / "outside.png", 3)
    root = tmp_path / "set"
    picture(root / "fine.png")
    if form == "voc":
        (root / "other.xml").write_text(f"<annotation><filename>{name}</filename></annotation>")
    elif form == "cvat":
        (root / "annotations.xml").write_text(f'<annotations><image id="0" name="{name}"/></annotations>')
    elif form == "label-studio":
        tasks = [{"data": {"image": name}, "annotations": [{"result": []}]}]
        (root / "tasks.json").write_text(json.dumps(tasks))
    else:
        row = f"fine.png,crack,{name}" if form == "mask" else f"{name},crack,"
        (root / "labels.csv").write_text(f"path,label,mask\n{row}\n")
        root = root / "labels.csv"
    with pytest.raises(DataError, match=r"must be inside the folder|no picture can be used"):
        load_annotations(root)


def test_entities_and_document_types_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.xml").write_text(BOMB.format(a="x" * 1000))
    with pytest.raises(DataError, match=r"a\.xml: declares a document type or entities"):
        load_annotations(tmp_path)
    (tmp_path / "a.xml").write_text('<!DOCTYPE annotation SYSTEM "http://example.com/x.dtd"><annotation/>')
    with pytest.raises(DataError, match="declares a document type"):
        load_annotations(tmp_path)


@pytest.mark.parametrize(
    "content", [b"<annotation>", b"\xff\xfe\x00", b"<?xml version='1.0' encoding='x-no'?><a/>", b""]
)
def test_damaged_xml_names_its_file(content: bytes, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.xml").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.xml: is not valid XML"):
        load_annotations(tmp_path)


@pytest.mark.parametrize("content", ["{", "[" * 100_000, '{"images": 1}', "[]", "NaN", '{"a": ' + "1" * 5000 + "}"])
def test_damaged_json_is_not_taken_for_an_export(content: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(content)
    for form in ("coco", "label-studio"):
        with pytest.raises(DataError, match="expected a JSON"):
            load_annotations(tmp_path, form=form)


@pytest.mark.parametrize(
    ("edges", "reason"),
    [
        ("<xmin>5</xmin><ymin>5</ymin><xmax>2</xmax><ymax>9</ymax>", "ends before it begins"),
        ("<xmin>nan</xmin><ymin>5</ymin><xmax>9</xmax><ymax>9</ymax>", "not a place in a picture"),
        ("<xmin>1e300</xmin><ymin>5</ymin><xmax>1e301</xmax><ymax>9</ymax>", "not a place in a picture"),
        ("<xmin>500</xmin><ymin>5</ymin><xmax>600</xmax><ymax>9</ymax>", "outside the picture"),
        ("<xmin>5</xmin><ymin>5</ymin><xmax>9</xmax>", "could not convert"),
    ],
)
def test_a_wrong_box_skips_its_picture_with_the_reason(edges: str, reason: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / f"{name}.png", defect=True)
    right = "<xmin>11</xmin><ymin>21</ymin><xmax>200</xmax><ymax>30</ymax>"
    (tmp_path / "a.xml").write_text(f"<annotation>{OBJECT.format(label='crack', edges=edges)}</annotation>")
    (tmp_path / "b.xml").write_text(f"<annotation>{OBJECT.format(label='crack', edges=right)}</annotation>")
    data = load_annotations(tmp_path)
    assert [item.path for item in data.items] == ["b.png"]
    assert (data.items[0].boxes[0].x, data.items[0].boxes[0].width) == (10, 54)  # cut at the edge
    assert [skipped.path for skipped in data.skipped] == ["a.png"]
    assert reason in str(data.skipped[0].failure)


@pytest.mark.parametrize("form", ["voc", "coco", "cvat", "label-studio"])
def test_a_picture_that_was_resized_after_it_was_annotated_is_skipped(form: str, tmp_path: Path) -> None:
    picture(tmp_path / "10:30:00.png")
    picture(tmp_path / "resized.png", 1, height=24, width=32)
    box = "<xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>"
    for stem in STEMS:
        size = "<size><width>64</width><height>48</height></size>"
        if form == "voc":
            content = f"<annotation>{size}{OBJECT.format(label='crack', edges=box)}</annotation>"
            (tmp_path / f"{stem}.xml").write_text(content)
    if form == "cvat":
        images = "".join(
            f'<image name="{stem}.png" width="64" height="48">'
            '<box label="crack" xtl="0" ytl="0" xbr="9" ybr="9"/></image>'
            for stem in STEMS
        )
        (tmp_path / "annotations.xml").write_text(f"<annotations>{images}</annotations>")
    elif form == "coco":
        named = [{"id": n, "file_name": f"{stem}.png", "height": 48, "width": 64} for n, stem in enumerate(STEMS)]
        boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [0, 0, 9, 9]} for n in range(2)]
        content = {"images": named, "categories": [{"id": 1, "name": "crack"}], "annotations": boxes}
        (tmp_path / "coco.json").write_text(json.dumps(content))
    elif form == "label-studio":
        value = {"x": 0, "y": 0, "width": 9, "height": 9, "rectanglelabels": ["crack"]}
        result = {"type": "rectanglelabels", "original_width": 64, "original_height": 48, "value": value}
        tasks = [{"data": {"image": f"{stem}.png"}, "annotations": [{"result": [result]}]} for stem in STEMS]
        (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    data = load_annotations(tmp_path)
    assert [item.path for item in data.items] == ["10:30:00.png"]
    assert [skipped.path for skipped in data.skipped] == ["resized.png"]
    assert "was annotated at 64×48 pixels, the picture has 32×24" in str(data.skipped[0].failure)


@pytest.mark.parametrize(
    "annotation",
    [
        {"bbox": [10, 20, -10, 10]},
        {"bbox": [10, 20, 10]},
        {"bbox": [1e400, 20, 10, 10]},
        {"bbox": "10 20 10 10"},
        {"bbox": None},
        {"segmentation": {"counts": [10**12], "size": [10**6, 10**6]}},
        {"segmentation": {"counts": [-5, 3077], "size": [48, 64]}},
        {"segmentation": {"counts": [0, 6], "size": [2, 3]}},
        {"segmentation": {"counts": "\x00\x01", "size": [48, 64]}},
        {"segmentation": {"counts": "ooooooooooooooooooooo", "size": [48, 64]}},
        {"segmentation": {"size": [48, 64]}},
        {"segmentation": [[1, 2, 3]]},
        {"segmentation": [[1, 2, 3, 4, 5, 1e999]]},
        {"segmentation": [[900, 900, 910, 900, 910, 910]]},
        {"segmentation": [["a", "b", "c", "d", "e", "f"]]},
        {"bbox": [0.1, 0.2, 0.5, 0.6]},  # shares of the picture
        {"segmentation": [[0.1, 0.2, 0.5, 0.2, 0.5, 0.6]]},
        {"bbox": [0, 0, 0, 0]},
    ],
)
def test_a_wrong_outline_skips_its_picture(annotation: dict[str, Any], tmp_path: Path) -> None:
    data = load_annotations(coco(tmp_path, **annotation))
    assert [item.path for item in data.items] == ["fine.png"]
    assert [skipped.path for skipped in data.skipped] == ["bad.png"]
    assert data.skipped[0].failure.code == "bad_annotation"


@pytest.mark.parametrize("twice", ["images", "categories"])
def test_two_with_one_number_are_an_error(twice: str, tmp_path: Path) -> None:
    """As in two exports that were joined by hand: the boxes of one picture would lie on the other."""
    file = coco(tmp_path) / "coco.json"
    content = json.loads(file.read_text())
    other = {"images": {"id": 2, "file_name": "fine.png"}, "categories": {"id": 1, "name": "crack"}}[twice]
    content[twice] = [one for one in content[twice] if one["id"] == other["id"]] + [other]
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match=f"of its {twice}, .* have the id {other['id']}; were files joined"):
        load_annotations(tmp_path)


def test_boxes_that_reach_out_of_most_pictures_are_an_error(tmp_path: Path) -> None:
    """Corners in place of sizes: cut at the edges of the pictures, they would look right."""
    names = [f"{n}.png" for n in range(4)]
    rows = []
    for n, name in enumerate(names):
        picture(tmp_path / name, n)
        rows.append(f"{name},crack,40,30,50,45")  # 10×15 pixels as two corners; the pictures have 64×48
    rows[0] = "0.png,crack,1,1,9,9"
    (tmp_path / "labels.csv").write_text("path,label,x,y,width,height\n" + "\n".join(rows))
    with pytest.raises(DataError, match="3 of 4 boxes reach out of their pictures"):
        load_annotations(tmp_path / "labels.csv")
    rows[1:] = ["1.png,crack,1,1,9,9", *(f"{name},crack,40,30,26,20" for name in names[2:])]  # two pixels of rounding
    (tmp_path / "labels.csv").write_text("path,label,x,y,width,height\n" + "\n".join(rows))
    assert len(load_annotations(tmp_path / "labels.csv").items) == 4


@pytest.mark.parametrize("columns", ["xmin,ymin,xmax,ymax", "X1,Y1,X2,Y2", "bbox,a,b,c"])
def test_corners_in_a_manifest_are_not_passed_over(columns: str, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text(f"path,label,{columns}\na.png,crack,1,2,3,4\n")
    with pytest.raises(DataError, match=f"has the columns? {columns.lower().split(',')[0]}"):
        load_annotations(tmp_path / "labels.csv")


def test_columns_of_a_manifest_may_have_capitals(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("Path,Label, X,Y,Width,HEIGHT\na.png,crack,1,2,3,4\n")
    (box,) = load_annotations(tmp_path / "labels.csv").items[0].boxes
    assert (box.x, box.y, box.width, box.height) == (1, 2, 3, 4)


@pytest.mark.parametrize("wrong", [{"image_id": 9}, {"category_id": 9}, {"image_id": [1]}])
def test_an_annotation_of_nothing_is_an_error(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"coco\.json: is not COCO JSON"):
        load_annotations(coco(tmp_path, **wrong))


def test_a_picture_that_cannot_be_decoded_or_found_is_skipped(tmp_path: Path) -> None:
    coco(tmp_path, "missing.png")
    (tmp_path / "fine.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"no picture can be used, 2 skipped, such as missing\.png: missing"):
        load_annotations(tmp_path)


def test_masks_that_do_not_fit_skip_their_picture(tmp_path: Path) -> None:
    for number in range(5):
        picture(tmp_path / f"crack/{number}.jpg", number)
    picture(tmp_path / "good/9.jpg", 9)
    mask(tmp_path / "crack/0.png")
    mask(tmp_path / "crack/1.png", height=40)
    picture(tmp_path / "crack/2.png", 2)
    (tmp_path / "crack/3.png").write_bytes(b"\x89PNG\r\n")
    mask(tmp_path / "good/9.png")
    data = load_annotations(tmp_path)
    assert {item.path: item.placed for item in data.items} == {"crack/0.jpg": True, "crack/4.jpg": False}
    reasons = {skipped.path: str(skipped.failure) for skipped in data.skipped}
    assert "its mask has 64×40 pixels, it has 64×48" in reasons["crack/1.jpg"]
    assert "looks like a photograph" in reasons["crack/2.jpg"]
    assert reasons["crack/3.jpg"].startswith("bad_mask: its mask")
    assert "its mask shows a defect, its class good is good" in reasons["good/9.jpg"]


def test_a_mask_without_a_picture_or_with_two_is_listed(tmp_path: Path) -> None:
    picture(tmp_path / "train/crack/1.png", 1)
    picture(tmp_path / "test/crack/1.png", 2)
    picture(tmp_path / "test/crack/2.png", 3)
    mask(tmp_path / "ground_truth/crack/1.png")
    mask(tmp_path / "ground_truth/crack/2_mask.png")
    mask(tmp_path / "ground_truth/crack/3.png")
    data = load_annotations(tmp_path)
    codes = {skipped.path: skipped.failure.code for skipped in data.skipped}
    assert codes == {"ground_truth/crack/1.png": "ambiguous", "ground_truth/crack/3.png": "missing"}
    assert [item.path for item in data.items if item.placed] == ["test/crack/2.png"]


def test_an_empty_mask_leaves_the_place_of_a_defect_unknown(tmp_path: Path) -> None:
    for number in (1, 2):
        picture(tmp_path / f"crack/{number}.jpg", number)
        mask(tmp_path / f"crack/{number}.png", value=255 * (number == 1))
    data = load_annotations(tmp_path)
    assert [np.unique(data.read(item)[1]).tolist() for item in data.items] == [[0, 1], [255]]


def test_brush_strokes_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    tasks = [{"data": {"image": "a.png"}, "annotations": [{"result": [{"type": "brushlabels", "value": {}}]}]}]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    with pytest.raises(DataError, match="brush strokes, which are not read; draw rectangles or polygons"):
        load_annotations(tmp_path)


def test_an_export_of_a_video_and_a_packed_one_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "annotations.xml").write_text('<annotations><track id="0" label="crack"/></annotations>')
    with pytest.raises(DataError, match=r"export it from CVAT as `CVAT for images 1\.1`"):
        load_annotations(tmp_path)
    (tmp_path / "task.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="is packed; unpack it"):
        load_annotations(tmp_path / "task.zip")


def test_a_huge_file_of_annotations_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big.json").write_bytes(b" " * 100)
    with pytest.raises(DataError, match=r"big\.json: has more than"):
        sources.content(tmp_path / "big.json", most=99)
    assert len(sources.content(tmp_path / "big.json", most=100)) == 100


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    picture(tmp_path / "crack/1.png")
    (tmp_path / "crack/again").symlink_to(tmp_path)
    assert [item.path for item in load_annotations(tmp_path).items] == ["crack/1.png"]


def test_a_picture_that_changes_is_an_error_when_it_is_read(tmp_path: Path) -> None:
    picture(tmp_path / "crack/1.png")
    data = load_annotations(tmp_path)
    cv2.imwrite(str(tmp_path / "crack/1.png"), np.zeros((5, 5), np.uint8))
    with pytest.raises(DataError, match="changed while the pictures were being read"):
        data.read(data.items[0])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a.png,,1,1,2,2,", "row 1 has no label"),
        ("a.png,crack,1,1,2,,", "row 1 has the box"),
        ("a.png,crack,1,1,0,4,", "row 1 has the box"),
        ("a.png,crack,1,1,inf,4,", "row 1 has the box"),
        ("a.png,crack,1,1,2,2,m.png", "a box and a mask"),
        ("a.png,crack,,,,,\na.png,crack,1,1,2,2,", "row 2 lists 'a.png' again"),
    ],
)
def test_a_wrong_row_of_a_manifest_is_named(row: str, reason: str, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text(f"path,label,x,y,width,height,mask\n{row}\n")
    with pytest.raises(DataError, match=reason):
        load_annotations(tmp_path / "labels.csv")
