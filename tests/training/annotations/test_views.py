"""Views of pictures with known places, and the choice of views for an epoch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from drawn import mask, picture

from steelflow.errors import ConfigError
from steelflow.training.annotations import UNKNOWN, load_annotations
from steelflow.training.annotations.views import (
    IGNORED,
    Cutting,
    View,
    balanced,
    cut_classes,
    cut_view,
    hardest,
    labelled,
    views_of,
)

GOOD, CRACK, HOLE = 0, 1, 2
CUTTING = Cutting(side=32, overlap=0, share=0.25, pixels=50)


def _map(height: int = 64, width: int = 96, **places: tuple[int, int, int, int]) -> np.ndarray:
    """Good, but for boxes (x, y, width, height) of ``crack`` and ``hole``."""
    found = np.full((height, width), GOOD, np.uint8)
    for name, (x, y, across, along) in places.items():
        found[y : y + along, x : x + across] = {"crack": CRACK, "hole": HOLE}[name]
    return found


def _labels(classes: np.ndarray, cutting: Cutting = CUTTING, label: int = CRACK) -> dict[tuple[int, int], int]:
    return {(view.x, view.y): view.label for view in labelled(classes, 0, label, (GOOD,), cutting)}


def test_a_view_is_a_defect_where_the_defect_is() -> None:
    assert _labels(_map(crack=(40, 5, 10, 10))) == {
        (0, 0): GOOD,
        (32, 0): CRACK,
        (64, 0): GOOD,
        (0, 32): GOOD,
        (32, 32): GOOD,
        (64, 32): GOOD,
    }


def test_a_view_that_touches_a_defect_only_at_its_border_is_ignored() -> None:
    labels = _labels(_map(crack=(30, 5, 10, 10)))  # 20 of 100 pixels to the left, 80 to the right
    assert (labels[0, 0], labels[32, 0]) == (IGNORED, CRACK)


def test_pixels_count_where_a_defect_is_much_larger_than_a_view() -> None:
    labels = _labels(_map(crack=(0, 0, 96, 64)))
    assert set(labels.values()) == {CRACK}  # each has a sixth of the area


def test_a_tiny_defect_counts_whole() -> None:
    assert _labels(_map(crack=(70, 40, 1, 1)))[64, 32] == CRACK


def test_the_class_with_more_pixels_wins() -> None:
    labels = _labels(_map(crack=(2, 2, 8, 8), hole=(12, 12, 12, 12)))
    assert labels[0, 0] == HOLE


def test_a_picture_without_places_is_one_view_only_near_the_size_of_a_view() -> None:
    near, far = (np.full(shape, UNKNOWN, np.uint8) for shape in ((40, 48), (64, 96)))
    assert labelled(near, 3, CRACK, (GOOD,), CUTTING) == [View(3, 0, 0, 48, CRACK)]
    assert labelled(far, 3, CRACK, (GOOD,), CUTTING) == []


def test_a_view_that_is_partly_unknown_is_ignored() -> None:
    classes = _map()
    classes[0, 0] = UNKNOWN
    assert _labels(classes)[0, 0] == IGNORED


def test_a_cut_view_has_the_pixels_of_its_place() -> None:
    grey = np.arange(64 * 96, dtype=np.int64).reshape(64, 96).astype(np.uint8)
    assert (cut_view(grey, View(0, 32, 16, 32, GOOD), 32) == grey[16:48, 32:64]).all()
    assert cut_view(grey, View(0, 32, 16, 32, GOOD), 16).shape == (16, 16)


@pytest.mark.parametrize("shape", [(1, 200), (20, 20), (31, 7), (1, 1)])
def test_a_picture_below_a_view_is_mirrored(shape: tuple[int, int]) -> None:
    grey = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    view = labelled(np.zeros(shape, np.uint8), 0, GOOD, (GOOD,), CUTTING)[-1]
    found = cut_view(grey, view, 32)
    part = grey[view.y : view.y + 32, view.x : view.x + 32]
    assert found.shape == (32, 32)
    assert (found[: part.shape[0], : part.shape[1]] == part).all()
    assert set(np.unique(found)) <= set(np.unique(grey))
    classes = cut_classes(np.zeros(shape, np.uint8), view, 32)
    assert (classes == UNKNOWN).sum() == 32 * 32 - part.size


def test_views_of_a_data_set(tmp_path: Path) -> None:
    picture(tmp_path / "crack/1.jpg", 1, defect=True)
    mask(tmp_path / "crack/1.png")
    picture(tmp_path / "good/2.jpg", 2)
    data = load_annotations(tmp_path)
    views = views_of(data, [0, 1], CUTTING)
    assert Counter((view.item, data.classes[view.label]) for view in views) == {
        (0, "crack"): 4 - 2,
        (0, "good"): 2,
        (1, "good"): 4,
    }


def test_an_epoch_is_balanced() -> None:
    labels = [GOOD] * 1000 + [CRACK] * 7 + [HOLE] * 90 + [IGNORED] * 50
    shown = balanced(labels, (GOOD,), 400, np.random.default_rng(0))
    assert Counter(labels[index] for index in shown) == {GOOD: 200, CRACK: 100, HOLE: 100}
    cracks = Counter(index for index in shown if labels[index] == CRACK)
    assert len(cracks) == 7
    assert max(cracks.values()) - min(cracks.values()) <= 1


def test_hard_good_views_are_repeated() -> None:
    labels = [GOOD] * 100 + [CRACK] * 20
    scores = np.linspace(1, 0, 120)
    hard = hardest(labels, scores, (GOOD,), 5)
    assert hard.tolist() == [0, 1, 2, 3, 4]
    assert set(hardest(labels, scores[::-1], (GOOD,), 5).tolist()) == {95, 96, 97, 98, 99}
    shown = Counter(balanced(labels, (GOOD,), 200, np.random.default_rng(0), hard=hard).tolist())
    assert sum(shown[index] for index in range(100)) == 100
    assert all(shown[index] >= 10 for index in hard)


@pytest.mark.parametrize(("labels", "expected"), [([GOOD] * 3, {GOOD: 10}), ([CRACK], {CRACK: 10}), ([IGNORED], {})])
def test_an_epoch_of_one_kind(labels: list[int], expected: dict[int, int]) -> None:
    shown = balanced(labels, (GOOD,), 10, np.random.default_rng(0))
    assert Counter(labels[index] for index in shown) == expected


@pytest.mark.parametrize("wrong", [{"side": 4}, {"overlap": 1.0}, {"share": 0}, {"pixels": 0}, {"near": 0.5}])
def test_a_cutting_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="give a side of at least 8"):
        Cutting(**wrong)
