"""Off the strip: dark and connected to the frame's border."""

from __future__ import annotations

import numpy as np
import pytest
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


@pytest.mark.parametrize("thickness", [2, 3, 5, 7, 9, 12])
@pytest.mark.parametrize("side", ["top", "bottom", "left", "right"])
def test_a_border_narrower_than_a_cell(side: str, thickness: int) -> None:
    """The head of a coil that ends a few pixels below the frame's border: its edge is no defect."""
    grey = frame(64, 160)
    turned = {"top": grey, "bottom": grey[::-1], "left": grey.T, "right": grey.T[::-1]}[side]
    turned[:thickness, 40:] = 5
    off = off_strip(np.ascontiguousarray(grey), 40)
    assert off is not None
    seen = {"top": off, "bottom": off[::-1], "left": off.T, "right": off.T[::-1]}[side]
    whole = -(-thickness // 8)
    assert seen[:whole, 5:].all(), "every cell that shows the border or the edge"
    assert not seen[whole + 1 :].any()
    assert not seen[:, :4].any()


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
    assert part is not None
    assert part.shape == (64, 64)
    assert not part[:, :16].any()
    assert part[:, 16:].all()
    coarse = in_view(off, 0, 96, 64, 8)
    assert coarse is not None
    assert coarse[0].tolist() == [False, False, True, True, True, True, True, True]


def test_pixels_off_the_strip_get_the_mean_of_the_others() -> None:
    view = np.array([[10, 20], [0, 0]], np.uint8)
    fill(view, np.array([[False, False], [True, True]]))
    assert view.tolist() == [[10, 20], [15, 15]]


def test_a_view_of_the_strip_alone_has_no_mask() -> None:
    off = np.zeros((8, 20), bool)
    off[:, 14:] = True
    assert in_view(off, 0, 48, 64, 64) is None  # it ends where the mask begins
    assert in_view(off, 0, 49, 64, 64) is not None


@pytest.mark.parametrize(
    ("top", "left", "side", "size"),
    [(0, 0, 64, 64), (3, 77, 61, 32), (8, 100, 60, 256), (0, 0, 160, 8), (0, 130, 48, 48)],  # the last ones end outside
)
def test_a_mask_says_for_every_pixel_whether_its_cell_is_off(top: int, left: int, side: int, size: int) -> None:
    off = np.random.default_rng(top).random((8, 20)) < 0.3
    found = in_view(off, top, left, side, size)
    assert found is not None
    for row, column in np.ndindex(size, size):
        y, x = int(top + (row + 0.5) * side / size), int(left + (column + 0.5) * side / size)
        assert found[row, column] == off[min(y // 8, 7), min(x // 8, 19)]
