"""Pixels to millimetres."""

from __future__ import annotations

import math

import pytest

from steelflow.config import CameraSettings, LineFrame
from steelflow.frames.place import scale_of

LINE = LineFrame(mm_across=0.5, mm_along=2.0, cameras={"C2": CameraSettings(across_mm=800)})


def test_a_box_on_the_strip() -> None:
    scale = scale_of(LINE, "C2", 12.0, None, None)
    assert scale.length(256, 1600) == pytest.approx(0.512)
    assert scale.place(100, 50, 20, 10) == pytest.approx((12.0 + 0.110, 800 + 55, 20, 10))


def test_a_strip_that_moves_along_the_width() -> None:
    scale = scale_of(LINE.model_copy(update={"along": "width"}), "C2", 0.0, None, None)
    assert scale.length(256, 1600) == pytest.approx(3.2)
    assert scale.place(100, 50, 20, 10) == pytest.approx((0.220, 800 + 27.5, 40, 5))


def test_the_sidecar_wins_over_the_settings() -> None:
    assert scale_of(LINE, "C2", 0.0, 1.0, 0.25).place(0, 0, 8, 8)[2:] == (8.0, 2.0)


@pytest.mark.parametrize("camera", ["C9", None])
def test_what_is_not_known_is_nan(camera: str | None) -> None:
    along, across, length, width = scale_of(LINE, camera, None, None, None).place(0, 0, 8, 8)
    assert math.isnan(along)
    assert math.isnan(across)
    assert (length, width) == (16.0, 4.0)
    assert math.isnan(scale_of(LineFrame(), None, 1.0, None, None).length(10, 10))
