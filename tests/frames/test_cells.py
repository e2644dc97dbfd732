"""Defect views to regions."""

from __future__ import annotations

import numpy as np
import pytest

from steelflow.frames.cells import Canvas
from steelflow.records import Region


def cells(*shown: tuple[int, int], size: int = 8) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    found = np.full((size, size), 0.01, np.float32)
    for row, column in shown:
        found[row, column] = 0.9
    return found


def test_no_defect_view_no_region() -> None:
    assert Canvas(256, 1600, 64).regions() == []


def test_one_view_gives_the_box_of_its_cells() -> None:
    canvas = Canvas(256, 1600, 64)
    canvas.paint(64, 128, 1, 0.8, cells((2, 3), (2, 4)))
    (found,) = canvas.regions()
    assert found == Region(1, pytest.approx(0.8), 128 + 24, 64 + 16, 16, 8, 128, 1)  # type: ignore[comparison-overlap]  # approx compares


def test_a_model_without_a_map_gives_the_view() -> None:
    canvas = Canvas(256, 1600, 64)
    canvas.paint(64, 128, 1, 0.8, None)
    (found,) = canvas.regions()
    assert found[2:] == (128, 64, 64, 64, 64 * 64, 1)


def test_neighbouring_views_of_one_class_are_one_region() -> None:
    canvas = Canvas(256, 1600, 64)
    canvas.paint(0, 0, 1, 0.7, cells((3, 7)))
    canvas.paint(0, 64, 1, 0.9, cells((3, 0), (3, 1)))
    canvas.paint(128, 640, 1, 0.6, cells((0, 0)))
    far, near = sorted(canvas.regions(), key=lambda region: region.views)
    assert near == Region(1, pytest.approx(0.9), 56, 24, 24, 8, 192, 2)  # type: ignore[comparison-overlap]  # approx compares
    assert far[2:] == (640, 128, 8, 8, 64, 1)


def test_classes_stay_apart_and_the_stronger_view_decides() -> None:
    canvas = Canvas(64, 128, 64)
    canvas.paint(0, 0, 1, 0.7, cells((3, 3), (3, 4)))
    canvas.paint(0, 0, 2, 0.9, cells((3, 4), (3, 5)))
    strong, weak = canvas.regions()
    assert (strong.label, strong.x, strong.width) == (2, 32, 16)
    assert (weak.label, weak.x, weak.width) == (1, 24, 8)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 300), (5, 7), (52, 40), (300, 3)])
def test_a_region_lies_on_the_frame(height: int, width: int) -> None:
    canvas = Canvas(height, width, 64)
    everywhere = np.ones((8, 8), np.float32)
    everywhere[7, 7] = 50  # the highest cell is off a small frame, in its mirror image
    canvas.paint(0, 0, 1, 0.7, everywhere)
    (found,) = canvas.regions()
    assert found.x == found.y == 0
    assert (found.width, found.height) == (min(width, 64), min(height, 64))
    assert found.area == found.width * found.height
