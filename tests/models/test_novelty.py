"""Novelty: what a model takes for unlike its training images, from its file to the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from plants import local_settings, make_plant

from steelflow.engine import open_engine
from steelflow.errors import ModelError
from steelflow.inspection.infer import infer
from steelflow.models.novelty import Novelty, energy, parse_novelty
from steelflow.models.shipped import SHIPPED, resolve
from steelflow.training.novelty import fit_novelty


def clouds(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labels = np.repeat([0, 1, 2], 100)
    embedding = (10 * np.eye(3, 8)[labels] + rng.normal(0, 1, (300, 8))).astype(np.float32)
    return embedding, (20 * np.eye(3)[labels] + rng.normal(0, 1, (300, 3))).astype(np.float32), labels


def test_a_separate_cluster_is_far_and_undecided_logits_have_high_energy() -> None:
    rng = np.random.default_rng(0)
    embedding, logits, labels = clouds(rng)
    known = fit_novelty(embedding, logits, labels)
    assert known.novel(known.distance(embedding), energy(logits)).mean() <= 0.02
    elsewhere = (10 * np.eye(8)[7] + rng.normal(0, 1, (50, 8))).astype(np.float32)
    assert known.novel(known.distance(elsewhere), energy(logits[:50])).all()
    assert known.novel(known.distance(embedding[:50]), energy(np.zeros((50, 3), np.float32))).all()


def test_the_distance_is_that_of_mahalanobis_to_the_nearest_centre() -> None:
    rng = np.random.default_rng(1)
    root = rng.normal(0, 1, (4, 4))
    covariance = root @ root.T + np.eye(4)
    known = Novelty(
        rng.normal(0, 1, (3, 4)).astype(np.float32),
        np.linalg.cholesky(np.linalg.inv(covariance)).astype(np.float32),
        2.0,
        0.0,
    )
    images = rng.normal(0, 3, (20, 4)).astype(np.float32)
    away = images[:, None] - known.centres
    expected = np.sqrt(np.einsum("npi,ij,npj->np", away, np.linalg.inv(covariance), away).min(1)) / 2
    np.testing.assert_allclose(known.distance(images), expected, rtol=1e-4)


def test_one_training_image_in_two_hundred_is_beyond_each_limit() -> None:
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], 1000)
    embedding = (10 * np.eye(2, 4)[labels] + rng.normal(0, 1, (2000, 4))).astype(np.float32)
    logits = (6 * np.eye(2)[labels] + rng.normal(0, 1, (2000, 2))).astype(np.float32)
    known = fit_novelty(embedding, logits, labels)
    near, low = np.zeros(2000, np.float32), np.full(2000, -1000, np.float32)
    assert known.novel(known.distance(embedding), low).sum() == 10
    beyond = known.novel(near, energy(logits))
    assert beyond.sum() == 10
    assert energy(logits)[beyond].min() > known.energy_limit > energy(logits)[~beyond].max()


def test_the_limits_themselves_are_not_beyond() -> None:
    known = Novelty(np.zeros((1, 2), np.float32), np.eye(2, dtype=np.float32), 2.0, 4.0)
    distance = np.array([0.5, 1.0, 1.001, 0.5, 0.5, 0.5], np.float32)
    values = np.array([-9.0, -9.0, -9.0, 3.9, 4.0, 4.1], np.float32)
    assert known.novel(distance, values).tolist() == [False, False, True, False, False, True]


def test_energy_of_large_logits_is_finite() -> None:
    logits = np.array([[1000.0, 0.0], [-1000.0, -1000.0]], np.float32)
    np.testing.assert_allclose(energy(logits), [-1000.0, 1000.0 - np.log(2)], rtol=1e-6)


def test_few_images_and_equal_images_are_enough() -> None:
    one = fit_novelty(np.ones((4, 2), np.float32), np.zeros((4, 2), np.float32), np.array([0, 0, 1, 1]))
    assert np.isfinite(one.distance(np.zeros((1, 2), np.float32))).all()


def test_it_survives_being_written() -> None:
    known = fit_novelty(*clouds(np.random.default_rng(2)))
    read = parse_novelty(known.to_text(), 8, "m.onnx")
    assert read is not None
    np.testing.assert_array_equal(read.centres, known.centres)
    np.testing.assert_array_equal(read.whitening, known.whitening)
    assert (read.distance_limit, read.energy_limit) == (known.distance_limit, known.energy_limit)


@pytest.mark.parametrize("change", [{"centres": "x"}, {"whitening": ""}, {"distance_limit": 0}, {"energy_limit": None}])
def test_what_is_damaged_is_refused(change: dict[str, object]) -> None:
    text = json.dumps(json.loads(fit_novelty(*clouds(np.random.default_rng(2))).to_text()) | change)
    with pytest.raises(ModelError, match=r"m\.onnx: damaged novelty"):
        parse_novelty(text, 8, "m.onnx")
    with pytest.raises(ModelError):
        parse_novelty(fit_novelty(*clouds(np.random.default_rng(2))).to_text(), 7, "m.onnx")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_recognise_novel_images(name: str) -> None:
    assert open_engine(resolve(name), "onnxruntime").novelty is not None


def test_reports_say_which_images_are_novel(tmp_path: Path) -> None:
    settings = local_settings(make_plant(tmp_path / "plant"), tmp_path / "reports")
    infer(str(tmp_path / "plant" / "images"), str(tmp_path / "out"), settings)
    rows = pl.read_parquet(tmp_path / "out" / "*.parquet").select("status", "energy", "novelty", "novel")
    good = rows.filter(status="ok")
    assert good.null_count().sum_horizontal().item() == 0
    assert rows.filter(status="failed").select("novel").null_count().item() == rows.height - good.height > 0
    limit = open_engine(resolve("steelnet"), "onnxruntime").novelty
    assert limit is not None
    beyond = (pl.col("novelty") > 1) | (pl.col("energy") > limit.energy_limit)
    assert good.filter(pl.col("novel") != beyond).is_empty()
