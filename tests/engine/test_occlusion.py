"""Where a model looks: against a model of which that is known, and on a real one."""

from __future__ import annotations

import numpy as np
import pytest

from steelflow.engine import Outputs, open_engine
from steelflow.engine.base import Pictures
from steelflow.engine.occlusion import occlusion_map
from steelflow.models.shipped import resolve
from steelflow.models.spec import ModelSpec


class Corner:
    """Sure of class 1 as far as its corner, pixels 20 to 30 both ways, is bright. Runs as an engine does."""

    name, novelty, digest, on_device = "corner", None, "0" * 64, False
    spec = ModelSpec(name="c", arch="steelnet", classes=("a", "b"), input_size=50, embedding_dims=1)

    def __init__(self) -> None:
        self.largest = 0

    def run(self, batch: Pictures) -> Outputs:
        self.largest = max(self.largest, len(batch))
        bright = batch[:, 0, 20:30, 20:30].mean((1, 2)) / 255
        odds = np.exp(30 * bright - 10)
        p = np.float32(odds / (1 + odds))
        empty = np.zeros((len(batch), 1), np.float32)
        return Outputs(np.stack([1 - p, p], 1), empty, empty[:, 0])


def test_the_map_shows_where_the_model_looks() -> None:
    engine = Corner()
    picture = np.zeros((50, 50), np.uint8)
    picture[20:30, 20:30] = 255
    found = occlusion_map(engine, picture, 1)
    assert found.drop.shape == (50, 50)
    row, column = np.unravel_index(found.drop.argmax(), found.drop.shape)
    assert 20 <= row < 30
    assert 20 <= column < 30
    far = found.drop[:8]
    assert np.abs(far).max() == 0, "a patch that does not touch the corner changes nothing"
    assert found.drop[25, 25] > 3, "the probability is 1 to seven digits; its log-odds still tell"
    assert found.probability == pytest.approx(1, abs=1e-6)
    assert found.lowest < 0.01
    assert engine.largest <= 64


def test_what_speaks_against_a_class_is_negative() -> None:
    picture = np.zeros((50, 50), np.uint8)
    picture[20:30, 20:30] = 255
    against, for_it = occlusion_map(Corner(), picture, 0), occlusion_map(Corner(), picture, 1)
    assert np.allclose(against.drop, -for_it.drop, atol=1e-3)


def test_a_picture_without_any_contrast_has_an_empty_map() -> None:
    engine = open_engine(resolve("steelnet"), "onnxruntime")
    size = engine.spec.input_size
    found = occlusion_map(engine, np.full((size, size), 90, np.uint8), 0)
    assert np.abs(found.drop).max() < 1e-4
    assert found.lowest == pytest.approx(found.probability, rel=1e-4)


def test_the_probability_is_that_of_the_image() -> None:
    engine = open_engine(resolve("steelnet"), "onnxruntime")
    size = engine.spec.input_size
    picture = np.random.default_rng(0).integers(0, 256, (size, size), dtype=np.uint8)
    found = occlusion_map(engine, picture, 2)
    assert found.probability == engine.run(picture[None, None]).probabilities[0, 2]
    assert np.isfinite(found.drop).all()
