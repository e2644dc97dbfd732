"""Views cover a frame, at native scale."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelflow.frames.views import cut, grid, padded, starts


@given(st.integers(1, 6000), st.integers(8, 512), st.floats(0, 0.75, allow_subnormal=False))
def test_views_cover_every_pixel_and_stay_inside(length: int, side: int, overlap: float) -> None:
    found = starts(length, side, overlap)
    assert found[0] == 0
    covered = np.zeros(max(length, side), bool)
    for start in found:
        assert 0 <= start <= max(0, length - side)
        covered[start : start + side] = True
    assert covered[:length].all()
    assert list(found) == sorted(set(found))


@given(st.integers(200, 6000), st.integers(64, 256), st.floats(0.1, 0.5, allow_subnormal=False))
def test_neighbours_share_the_overlap(length: int, side: int, overlap: float) -> None:
    found = starts(length, side, overlap)
    shared = [side - (b - a) for a, b in pairwise(found)]
    assert all(one >= side * overlap - 8 for one in shared)  # views begin at multiples of eight pixels


@pytest.mark.parametrize(
    ("height", "width", "views"),
    [(256, 1600, 3 * 14), (243, 1600, 2 * 14), (128, 128, 1), (1, 1, 1), (1, 1600, 14), (100, 100, 1), (129, 128, 2)],
)
def test_number_of_views(height: int, width: int, views: int) -> None:
    assert len(grid(height, width, 128, 0.1)) == views


def test_a_frame_below_one_view_is_mirrored() -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(1, 6)
    whole = padded(grey, 8)
    assert whole.shape == (8, 8)
    assert (whole == [0, 1, 2, 3, 4, 5, 5, 4]).all()
    assert padded(whole, 8) is whole


def test_a_view_is_a_copy_of_the_pixels() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (300, 500), np.uint8)
    out = np.empty((128, 128), np.uint8)
    cut(grey, 40, 99, 128, out)
    assert (out == grey[40:168, 99:227]).all()
    half = np.empty((64, 64), np.uint8)
    cut(grey, 40, 99, 128, half)
    assert abs(float(half.mean()) - float(out.mean())) < 1
