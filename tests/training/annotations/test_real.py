"""Real data sets, where they are: magnetic tile (masks) and the boxes of the NEU pictures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from steelflow.training.annotations import load_annotations

# Read here: tests run without the variables of this machine.
FOLDERS = {
    name: os.environ.get(name)
    for name in ("STEELFLOW_MAGNETIC_TILE_DIR", "STEELFLOW_NEU_BOXES_DIR", "STEELFLOW_NEU_DIR")
}


def _folder(variable: str) -> Path:
    found = FOLDERS[variable]
    if not found:
        pytest.skip(f"{variable} does not name the folder of the pictures")
    return Path(found)


def test_magnetic_tile_is_read_with_its_masks_and_split_by_tile() -> None:
    root = _folder("STEELFLOW_MAGNETIC_TILE_DIR")
    data = load_annotations(root)
    assert (data.format, data.good, data.skipped) == ("masks", ("free",), ())
    assert data.classes == ("blowhole", "break", "crack", "fray", "free", "uneven")
    assert len(data.items) == len(list(root.rglob("*.jpg")))
    defects = [item for item in data.items if item.label != "free"]
    assert sum(item.mask is None for item in defects) <= 0.02 * len(defects)  # a few masks are empty
    _, classes = data.read(next(item for item in defects if item.mask is not None and item.label == "blowhole"))
    assert 0 < (classes == data.classes.index("blowhole")).mean() < 0.05
    training, held_out = data.split(0)
    tiles = [data.items[index].path.split("_num_")[1] for index in (*training, *held_out)]
    assert not set(tiles[: len(training)]) & set(tiles[len(training) :])
    assert {data.items[index].label for index in held_out} == set(data.classes)


def test_the_boxes_of_neu_are_read_with_pictures_elsewhere() -> None:
    boxes, pictures = _folder("STEELFLOW_NEU_BOXES_DIR"), _folder("STEELFLOW_NEU_DIR")
    data = load_annotations(boxes, pictures=pictures)
    assert (data.format, data.good, data.skipped) == ("voc", ("good",), ())
    assert len(data.items) == len(list(boxes.rglob("*.xml")))
    assert all(item.boxes for item in data.items)
    _, classes = data.read(data.items[0])
    assert set(np.unique(classes).tolist()) <= {data.classes.index("good"), data.classes.index(data.items[0].label)}
