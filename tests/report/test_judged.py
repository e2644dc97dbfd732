"""From a judged chunk to rows: each figure in the row of its image."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from steelflow.models.novelty import Novelty
from steelflow.models.spec import ModelSpec
from steelflow.records import Failure, Partition, Unit
from steelflow.report.judged import ImagePlace, Judged, Origin, joined, rows, verdicts

SPEC = ModelSpec(name="net", version="7", arch="net", classes=("a", "b", "c"), input_size=8, embedding_dims=2)
NIGHT = dt.date(2026, 11, 18)
NOW = dt.datetime(2026, 11, 19, 2, 30, tzinfo=dt.UTC)


def test_label_confidence_margin_and_entropy() -> None:
    probabilities = np.array([[0.2, 0.7, 0.1], [0.5, 0.0, 0.5], [0.0, 0.0, 1.0]], np.float32)
    label, confidence, margin, entropy = verdicts(probabilities)
    assert label.tolist() == [1, 0, 2]
    np.testing.assert_allclose(confidence, [0.7, 0.5, 1.0])
    np.testing.assert_allclose(margin, [0.5, 0.0, 1.0], atol=1e-6)
    certain = -(0.2 * np.log(0.2) + 0.7 * np.log(0.7) + 0.1 * np.log(0.1))
    np.testing.assert_allclose(entropy, [certain, np.log(2), 0.0], rtol=1e-6)
    assert entropy.min() >= 0


def chunk(name: str) -> Judged:
    """Three images; the second one could not be read."""
    return Judged(
        [ImagePlace(f"{name}{i}.jpg", f"m{i}", i, "C1", 1.5 * i, NOW) for i in range(3)],
        {1: Failure("truncated", "ends early")},
        np.array([0, 2]),
        np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], np.float32),
        np.array([[3, 4], [0, 1]], np.float32),
        np.array([-5, -3], np.float32),
        np.array([[10, 11, 12, 13], [20, 21, 22, 23]], np.float32),
        np.array([[30, 40], [50, 60]], np.int32),
    )


@pytest.mark.parametrize("known", [True, False])
def test_every_figure_is_in_the_row_of_its_image(known: bool) -> None:
    novelty = Novelty(np.zeros((1, 2), np.float32), np.eye(2, dtype=np.float32), 2.0, -2.0) if known else None
    origin = Origin(Unit("u", Partition("L1", NIGHT), "loose", ()), SPEC, "d" * 64, "run", novelty, inferred_at=NOW)
    table = rows(joined([chunk("x"), chunk("y")]), origin).to_pylist()
    assert [row["object_key"] for row in table] == ["x0.jpg", "x1.jpg", "x2.jpg", "y0.jpg", "y1.jpg", "y2.jpg"]
    shared = {
        **dict.fromkeys(("captured_at", "inferred_at"), NOW),
        "line": "L1",
        "date": NIGHT,
        "coil": "C1",
        "model_name": "net",
        "model_version": "7",
        "model_digest": "d" * 64,
        "unit_id": "u",
        "run_id": "run",
    }
    figures = {
        0: {"label": "a", "confidence": 0.7, "p_a": 0.7, "p_b": 0.2, "p_c": 0.1, "margin": 0.5, "energy": -5.0}
        | {"height": 30, "width": 40, "brightness": 10, "contrast": 11, "sharpness": 12, "saturation": 13}
        | {"embedding": [3.0, 4.0], "novelty": 2.5, "novel": True, "entropy": 0.8018, "error": None, "status": "ok"},
        2: {"label": "c", "confidence": 0.6, "p_a": 0.1, "p_b": 0.3, "p_c": 0.6, "margin": 0.3, "energy": -3.0}
        | {"height": 50, "width": 60, "brightness": 20, "contrast": 21, "sharpness": 22, "saturation": 23}
        | {"embedding": [0.0, 1.0], "novelty": 0.5, "novel": False, "entropy": 0.8979, "error": None, "status": "ok"},
    }
    figures[1] = dict.fromkeys(figures[0]) | {"status": "failed", "error": "truncated: ends early"}
    for number, row in enumerate(table):
        expected = {"object_key": row["object_key"], "member": f"m{number % 3}", "ordinal": number % 3}
        expected |= {"position": 1.5 * (number % 3), **shared, **figures[number % 3]}
        if not known:
            expected |= {"novelty": None, "novel": None}
        assert {name: _rounded(value) for name, value in row.items()} == expected


def _rounded(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value
