"""Labelled images: folders and manifests at their edges, and the split."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from toys import stripes, write

from steelflow.errors import DataError
from steelflow.training.data import MAX_CLASSES, load_folder, load_images, split


def test_folder_is_read_resized_and_its_oddities_are_counted(tmp_path: Path) -> None:
    root = write(tmp_path / "data", 4, sizes=(40, 90, 17))
    (root / "along" / "broken.png").write_bytes(b"no picture")
    (root / "along" / "empty.jpg").write_bytes(b"")
    (root / "along" / ".hidden.png").write_bytes(b"x")
    (root / "along" / "folder").mkdir()
    (root / ".cache").mkdir()
    (root / "notes.txt").write_text("not a class")
    data = load_folder(root, 32)
    assert data.classes == ("across", "along")
    assert data.images.shape == (8, 32, 32)
    assert data.labels.tolist() == [0] * 4 + [1] * 4
    assert [(item.path, item.failure.code) for item in data.skipped] == [
        ("along/broken.png", "not_an_image"),
        ("along/empty.jpg", "empty"),
    ]
    assert data.hash == load_folder(root, 48).hash
    (root / "across" / "000.png").rename(root / "along" / "moved.png")
    assert data.hash != load_folder(root, 32).hash


def test_unusable_folders_are_data_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        load_folder(tmp_path / "absent", 32)
    with pytest.raises(DataError, match="0 classes; at least 2 needed"):
        load_folder(tmp_path, 32)
    root = write(tmp_path / "data", 2)
    (root / "along" / "000.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"along: 1 readable images \(1 unreadable\)"):
        load_folder(root, 32)


def test_split_is_stratified_seeded_and_stable_under_growth(tmp_path: Path) -> None:
    data = load_folder(write(tmp_path / "data", 20), 16)
    training, held_out = split(data, 0.2, seed=0)
    assert sorted([*training, *held_out]) == list(range(40))
    assert np.bincount(data.labels[held_out]).tolist() == [4, 4]
    assert np.array_equal(held_out, split(data, 0.2, seed=0)[1])
    assert not np.array_equal(held_out, split(data, 0.2, seed=1)[1])
    held_names = {data.paths[i] for i in held_out}
    (tmp_path / "data" / "along" / "010.png").unlink()
    smaller = load_folder(tmp_path / "data", 16)
    assert len(held_names - {smaller.paths[i] for i in split(smaller, 0.2, seed=0)[1]}) <= 1


def test_split_leaves_both_sides_something_of_every_class(tmp_path: Path) -> None:
    data = load_folder(write(tmp_path / "data", 2), 16)
    for part in split(data, 0.2, seed=3):
        assert data.labels[part].tolist() == [0, 1]


def test_a_part_can_be_split_again_by_the_same_rule(tmp_path: Path) -> None:
    data = load_folder(write(tmp_path / "data", 20), 16)
    training, held_out = split(data, 0.2, seed=0)
    rest, validation = split(data, 0.25, seed=0, among=training)
    assert sorted([*rest, *validation, *held_out]) == list(range(40))
    assert np.array_equal(np.sort([*validation, *held_out]), split(data, 0.4, seed=0)[1])


def test_colour_and_grey_pictures_of_any_size_become_one_stack(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, colour in (("grey", False), ("colour", True)):
        (tmp_path / name).mkdir()
        for i, side in enumerate((33, 64, 20)):
            picture = stripes(colour, rng, side, side + 5)
            cv2.imwrite(str(tmp_path / name / f"{i}.png"), cv2.merge([picture] * 3) if colour else picture)
    data = load_images(tmp_path, 32)
    assert data.images.shape == (6, 32, 32)
    assert data.images.std((1, 2)).min() > 20


@pytest.mark.parametrize("name", [" ", "two\nlines", "x" * 101])
def test_a_folder_name_that_is_no_name_for_a_class_is_an_error(name: str, tmp_path: Path) -> None:
    root = write(tmp_path / "data", 2)
    (root / "along").rename(root / name)
    with pytest.raises(DataError, match="is not a valid class name"):
        load_folder(root, 16)


@pytest.mark.parametrize("name", ["Along", " along", "ALONG "])
def test_two_spellings_of_a_class_are_an_error(name: str, tmp_path: Path) -> None:
    root = write(tmp_path / "data", 2)
    (root / name).mkdir()
    with pytest.raises(DataError, match="give one class one name"):
        load_folder(root, 16)


def test_too_many_classes_are_an_error_before_any_image_is_read(tmp_path: Path) -> None:
    for i in range(MAX_CLASSES + 1):
        (tmp_path / f"{i}").mkdir()
    with pytest.raises(DataError, match=f"{MAX_CLASSES + 1} classes; at most {MAX_CLASSES}"):
        load_folder(tmp_path, 16)


def test_a_file_name_that_is_not_utf8_is_no_obstacle(tmp_path: Path) -> None:
    root = write(tmp_path / "data", 3)
    (root / "along" / "000.png").rename(root / "along" / "0\udcff.png")
    data = load_folder(root, 16)
    assert len(data.labels) == 6
    assert data.hash != load_folder(write(tmp_path / "other", 3), 16).hash


# manifests


def manifest(root: Path, name: str = "labels.csv") -> Path:
    """All images of ``root``, labelled by their folders, in an odd order, with one column too many."""
    files = sorted(root.glob("*/*.png"))
    rows = [{"coil": 7, "label": f.parent.name, "path": f.relative_to(root).as_posix()} for f in files[::-1]]
    table = pl.DataFrame(rows)
    file = root / name
    table.write_csv(file) if file.suffix == ".csv" else table.write_parquet(file)
    return file


@pytest.mark.parametrize("name", ["labels.csv", "LABELS.CSV", "labels.parquet"])
def test_a_manifest_of_class_folders_is_the_same_data_as_the_folders(name: str, tmp_path: Path) -> None:
    root = write(tmp_path / "data", 5)
    folder, listed = load_images(root, 24), load_images(manifest(root, name.lower()).rename(root / name), 24)
    assert (listed.classes, listed.paths, listed.hash) == (folder.classes, folder.paths, folder.hash)
    assert np.array_equal(listed.images, folder.images)
    assert np.array_equal(listed.labels, folder.labels)


def test_the_hash_of_a_manifest_depends_on_its_labels(tmp_path: Path) -> None:
    root = write(tmp_path / "data", 4)
    file = manifest(root)
    before = load_images(file, 16).hash
    file.write_text(file.read_text().replace("7,along,along/000", "7,across,along/000"))
    after = load_images(file, 16)
    assert np.bincount(after.labels).tolist() == [5, 3]
    assert after.hash != before


def test_what_a_manifest_lists_and_nobody_can_read_is_skipped_and_counted(tmp_path: Path) -> None:
    root = write(tmp_path / "data", 3)
    file = manifest(root)
    (root / "along" / "000.png").write_bytes(b"no picture")
    file.write_text(file.read_text() + "7, along ,gone.png\n7,along,along\n")
    data = load_images(file, 16)
    assert len(data.labels) == 5
    assert [(item.path, item.failure.code) for item in data.skipped] == [
        ("along", "unreadable"),
        ("along/000.png", "not_an_image"),
        ("gone.png", "unreadable"),
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("../secret.png,across", r"row 3 has the path '\.\./secret\.png'; a path must be inside the folder"),
        ("a/../../secret.png,across", "row 3 has the path"),
        ("/etc/secret.png,across", "row 3 has the path"),
        (",across", "row 3 has the path ''"),
        ("x.png,", "row 3 has no label"),
        ("x.png,  ", "row 3 has no label"),
        ("./across//1.png,along", "row 3 lists 'across/1.png' again"),
        ("x.png,third", r"class third: 0 readable images \(1 unreadable\)"),
        (f"x.png,{'y' * 101}", "is not a valid class name"),
    ],
)
def test_rows_that_cannot_be_used_are_named(row: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(f"path,label\nacross/0.png,across\nacross/1.png,across\n{row}\n")
    for i in (0, 1):
        (tmp_path / "across").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "across" / f"{i}.png"), stripes(True, np.random.default_rng(i)))
    with pytest.raises(DataError, match=says):
        load_images(file, 16, at_least=1)


def test_a_file_that_is_no_manifest_is_a_data_error(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    with pytest.raises(DataError, match="no such manifest"):
        load_images(file, 16)
    for content, says in (
        (b"", "cannot be read"),
        (b"path\na.png", "has no column label"),
        (b"\xff\xfe\x00", "labels"),
    ):
        file.write_bytes(content)
        with pytest.raises(DataError, match=says):
            load_images(file, 16)
    file = file.with_suffix(".parquet")
    file.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DataError, match="cannot be read as a manifest"):
        load_images(file, 16)
    with pytest.raises(DataError, match="or a manifest"):
        load_images(tmp_path / "labels.txt", 16)
