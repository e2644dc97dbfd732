"""The four figures of a picture, against their formulas."""

from __future__ import annotations

import numpy as np
import pytest

from steelflow.images.quality import measure
from steelflow.schema import QUALITY

GREY = np.random.default_rng(1).integers(0, 256, (31, 17), np.uint8)


def test_the_figures_are_those_of_the_formulas() -> None:
    pixels = GREY.astype(float)
    gradient = (np.diff(pixels, axis=1) ** 2).sum() + (np.diff(pixels, axis=0) ** 2).sum()
    expected = (pixels.mean(), pixels.std(), gradient / pixels.size, (GREY >= 250).mean())
    assert measure(GREY) == pytest.approx(expected, rel=1e-6)
    assert len(QUALITY) == len(expected)


def test_a_flat_picture_has_no_contrast_and_no_sharpness() -> None:
    assert measure(np.full((8, 8), 255, np.uint8)) == (255.0, 0.0, 0.0, 1.0)
