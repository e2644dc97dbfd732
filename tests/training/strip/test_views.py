from __future__ import annotations

import numpy as np
import pytest

from steelflow.training.strip.crops import UNKNOWN, Geometry, cells_of, cut_view
from steelflow.training.strip.draw import Drawer, StripAugmentation
from steelflow.training.strip.light import Light
from steelflow.training.strip.paste import donors_of, paste

PLAIN = Light(gain=0, brightness=0, gamma=0, unevenness=0, noise=0, blur=0)


@pytest.mark.parametrize("shape", [(300, 500), (40, 500), (20, 30), (64, 64)])
def test_a_view_has_its_side_and_labels_move_with_the_pixels(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    labels = (np.random.default_rng(1).random(shape) < 0.5).astype(np.uint8)
    for _ in range(8):
        view, known = cut_view(100 + 100 * labels, labels, Geometry(side=64, scale=0), rng)
        assert view.shape == known.shape == (64, 64)
        np.testing.assert_array_equal(view, 100 + 100 * known)


def test_a_view_shows_the_pixel_that_it_is_cut_towards() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((400, 300), np.uint8)
    for row, column in ((0, 0), (399, 299), (200, 10), (130, 297)):
        labels[:] = 0
        labels[row, column] = 1
        for _ in range(20):
            _, known = cut_view(labels, labels, Geometry(side=64, scale=0), rng, (row, column))
            assert known.any()


def test_a_cell_is_a_defect_from_its_share_on_and_good_only_without_any() -> None:
    labels = np.full((32, 32), 2, np.uint8)  # 2 is good
    labels[0:4, 0:4] = 1  # 16 of 64 pixels
    labels[8, 8] = 1  # 1 of 64
    labels[16:18, 16:24] = 0  # 16 of 64, and of another class
    labels[18:24, 16:24] = 1  # 48 of 64
    labels[31, 31] = UNKNOWN
    cells = cells_of(labels, good=(2,), classes=3)
    assert cells[0, 0] == 1
    assert cells[1, 1] == UNKNOWN
    assert cells[2, 2] == 1
    assert cells[3, 3] == UNKNOWN
    assert (cells == 2).sum() == 12


def test_a_pasted_defect_is_where_its_label_is() -> None:
    rng = np.random.default_rng(0)
    grey, labels = np.full((80, 80), 120, np.uint8), np.zeros((80, 80), np.uint8)
    labels[30:42, 30:42] = 1
    grey[labels == 1] = 40
    (donor,) = donors_of(grey, labels, (1,))
    for _ in range(10):
        view, known = np.full((96, 96), 200, np.uint8), np.zeros((96, 96), np.uint8)
        paste(view, known, donor, rng)
        assert known.any()
        assert view[known == 1].mean() < 150  # dark as before, although the surface is brighter
        far = np.ones_like(known, bool)
        rows, columns = np.nonzero(known)
        far[max(0, rows.min() - 6) : rows.max() + 7, max(0, columns.min() - 6) : columns.max() + 7] = False
        assert (view[far] == 200).all()


def test_large_defects_are_not_pasted() -> None:
    labels = np.ones((400, 400), np.uint8)
    assert donors_of(labels, labels, (1,)) == []


def drawer(pictures: list[tuple[np.ndarray, np.ndarray]], labels: list[int], **changes: float) -> Drawer:
    augmentation = StripAugmentation(Geometry(side=64, scale=0), PLAIN, **changes)
    return Drawer(lambda i: pictures[i], range(len(pictures)), labels, (0,), 2, augmentation)


def test_the_class_of_a_view_follows_from_what_it_shows() -> None:
    good = np.full((200, 200), 100, np.uint8), np.zeros((200, 200), np.uint8)
    bad = good[0].copy(), good[1].copy()
    bad[1][90:110, 90:110] = 1
    views = [drawer([good, bad], [0, 1], pasted=0, joined=0).draw(np.random.default_rng(i)) for i in range(40)]
    assert {view.label for view in views} == {0, 1}
    for view in views:
        assert (view.label == 1) == bool((view.cells == 1).any())


def test_a_picture_without_places_teaches_its_class_alone() -> None:
    good = np.full((70, 70), 100, np.uint8), np.zeros((70, 70), np.uint8)
    unknown = good[0], np.full((70, 70), UNKNOWN, np.uint8)
    large = np.full((200, 200), 100, np.uint8), np.full((200, 200), UNKNOWN, np.uint8)
    views = drawer([good, unknown, large], [0, 1, 1], pasted=0, joined=0)
    assert views.view_of(1, np.random.default_rng(0)).label == 1
    assert views.view_of(2, np.random.default_rng(0)).label == -1  # it may show no defect
    assert (views.view_of(2, np.random.default_rng(0)).cells == UNKNOWN).all()


def test_good_views_get_pasted_defects_of_the_training_pictures() -> None:
    good = np.full((200, 200), 100, np.uint8), np.zeros((200, 200), np.uint8)
    bad = good[0].copy(), good[1].copy()
    bad[1][90:110, 90:110] = 1
    bad[0][90:110, 90:110] = 20
    views = drawer([good, bad], [0, 1], pasted=1, joined=0)
    assert all(views.view_of(0, np.random.default_rng(i)).label == 1 for i in range(10))
