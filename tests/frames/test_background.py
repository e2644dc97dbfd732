"""Off the strip: dark and connected to the frame's border."""

from __future__ import annotations

import numpy as np
from strip import frame, with_defect

from steelflow.frames.background import fill, in_view, off_strip


def test_bright_steel_has_no_background() -> None:
    assert off_strip(frame(64, 160), 40) is None


def test_the_edge_of_the_strip_and_the_cells_beside_it() -> None:
    grey = with_defect(frame(64, 160), 120, 0, 40, 64, level=5)
    off = off_strip(grey, 40)
    assert off is not None
    assert off.shape == (8, 20)
    assert off[:, 14:].all()  # the first of these sees the edge
    assert not off[:, :14].any()


def test_a_dark_defect_inside_is_no_background() -> None:
    assert off_strip(with_defect(frame(64, 160), 60, 20, 30, 30, level=5), 40) is None


def test_a_frame_without_strip_is_all_background() -> None:
    off = off_strip(np.zeros((30, 50), np.uint8), 40)
    assert off is not None
    assert off.all()


def test_the_part_that_a_view_sees() -> None:
    off = np.zeros((8, 20), bool)
    off[:, 14:] = True
    part = in_view(off, 0, 96, 64, 64)
    assert part.shape == (64, 64)
    assert not part[:, :16].any()
    assert part[:, 16:].all()
    assert in_view(off, 0, 96, 64, 8)[0].tolist() == [False, False, True, True, True, True, True, True]


def test_pixels_off_the_strip_get_the_mean_of_the_others() -> None:
    view = np.array([[10, 20], [0, 0]], np.uint8)
    fill(view, np.array([[False, False], [True, True]]))
    assert view.tolist() == [[10, 20], [15, 15]]
