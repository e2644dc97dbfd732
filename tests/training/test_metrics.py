"""Figures of merit against hand-worked values and brute force."""

from __future__ import annotations

import json

import numpy as np
import pytest

from steelflow.errors import DataError
from steelflow.training import metrics


def test_figures_by_hand() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2])
    decided = np.array([0, 0, 1, 1, 1, 0])
    p = np.full((6, 3), 0.1)
    p[np.arange(6), decided] = 0.8
    found = metrics.evaluate(truth, p, ["x", "y", "z"])
    assert found.confusion == ((2, 1, 0), (0, 2, 0), (1, 0, 0))
    assert found.accuracy == pytest.approx(4 / 6)
    x, y, z = found.classes
    assert (x.precision, x.recall, x.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (y.precision, y.recall, y.f1) == pytest.approx((2 / 3, 1, 0.8))
    assert (z.precision, z.recall, z.f1) == (None, 0, 0)
    assert found.macro_f1 == pytest.approx((2 / 3 + 0.8) / 3)
    assert found.ece == pytest.approx(abs(4 / 6 - 0.8))
    assert json.loads(json.dumps(found.to_dict()))["per_class"][found.classes[2].name]["support"] == 1


def test_a_class_without_images_has_no_figures_and_does_not_count() -> None:
    p = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1]])
    found = metrics.evaluate(np.array([0, 1]), p, ["x", "y", "absent"])
    absent = found.classes[2]
    assert (absent.support, absent.recall, absent.f1, absent.auc) == (0, None, None, None)
    assert (found.accuracy, found.macro_f1) == (1, 1)


def test_auc_is_the_share_of_ordered_pairs() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        positive = generator.random(30) < 0.4
        score = generator.integers(0, 8, 30) / 8
        pairs = [(a > b) + 0.5 * (a == b) for a in score[positive] for b in score[~positive]]
        assert metrics.auc(positive, score) == pytest.approx(np.mean(pairs))
    assert metrics.auc(np.zeros(3, dtype=bool), np.arange(3.0)) is None


def test_ece_against_brute_force() -> None:
    generator = np.random.default_rng(0)
    p = metrics.softmax(generator.normal(0, 2, (500, 4)))
    truth = generator.integers(0, 4, 500)
    confidence, right = p.max(1), p.argmax(1) == truth
    total = 0.0
    for b in range(15):
        inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if inside.any():
            total += inside.sum() / 500 * abs(right[inside].mean() - confidence[inside].mean())
    assert metrics.ece(truth, p) == pytest.approx(total)


def test_temperature_undoes_a_scale() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (20_000, 3))
    truth = np.array([generator.choice(3, p=row) for row in metrics.softmax(logits)])
    assert metrics.fit_temperature(logits * 2.5, truth) == pytest.approx(2.5, rel=0.05)


@pytest.mark.parametrize(
    ("truth", "p", "says"),
    [
        ([], np.zeros((0, 2)), "no images"),
        ([0], np.zeros((1, 3)), "shape"),
        ([2], np.ones((1, 2)), "labels go from 2 to 2"),
        ([0], np.full((1, 2), np.nan), "not finite"),
    ],
)
def test_unfit_arrays_are_data_errors(truth: list[int], p: np.ndarray, says: str) -> None:
    with pytest.raises(DataError, match=says):
        metrics.evaluate(np.array(truth, dtype=np.int64), p, ["x", "y"])
