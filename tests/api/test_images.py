"""``steelflow.classify``: arrays, bytes and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import steelflow
from steelflow.images.decode import decode
from steelflow.synth import surface

JUDGED = [
    "label",
    "confidence",
    "p_crazing",
    "margin",
    "energy",
    "novelty",
    "novel",
    "brightness",
    "sharpness",
    "width",
]


def pictures(count: int = 3, side: int = 64) -> np.ndarray:
    return np.stack([surface("scratches", np.random.default_rng(i), side) for i in range(count)])


def test_files_bytes_and_arrays_are_judged_as_a_report_judges_them(photos: Path, tmp_path: Path) -> None:
    steelflow.inspect(photos, out=tmp_path / "report")
    reported = steelflow.open_report(tmp_path / "report").sort("object_key").collect()
    files = [photos / key for key in reported["object_key"]]
    data = [file.read_bytes() for file in files]
    limits = steelflow.Settings().limits
    for images in (files, map(str, files), data, [decode(one, limits) for one in data]):
        found = steelflow.classify(images)
        assert set(found.columns) < set(reported.columns)
        assert_frame_equal(found.select(JUDGED), reported.select(JUDGED))


def test_an_array_of_pictures_is_one_row_each(photos: Path) -> None:
    stack = pictures()
    found = steelflow.classify(stack)
    assert found["object_key"].to_list() == ["images[0]", "images[1]", "images[2]"]
    assert found["status"].to_list() == ["ok"] * 3
    assert found["label"].to_list() == ["scratches"] * 3
    assert found.select(pl.sum_horizontal(pl.col("^p_.*$"))).to_series().to_list() == pytest.approx([1.0] * 3, abs=1e-5)
    assert found["brightness"].to_list() == pytest.approx(stack.mean(axis=(1, 2)).tolist(), rel=1e-5)
    assert_frame_equal(steelflow.classify(stack[0]).drop("inferred_at"), found[:1].drop("inferred_at"))
    view = stack[:, ::2, ::-1]
    whole = [steelflow.classify(images).drop("inferred_at") for images in (view, view.copy())]
    assert_frame_equal(*whole)


def test_what_cannot_be_read_is_a_row_with_its_reason(photos: Path, tmp_path: Path) -> None:
    good = next(photos.rglob("*.jpg"))
    images = [good, tmp_path / "gone.jpg", tmp_path, b"", b"<html>", np.zeros((0, 5), np.uint8), good.read_bytes()]
    found = steelflow.classify(images)
    assert found["status"].to_list() == ["ok", *["failed"] * 5, "ok"]
    assert [reason and reason.partition(":")[0] for reason in found["error"]] == [
        None,
        "unreadable",
        "unreadable",
        "empty",
        "not_an_image",
        "empty",
        None,
    ]
    assert found["object_key"].to_list()[:4] == [str(good), str(tmp_path / "gone.jpg"), str(tmp_path), "images[3]"]
    assert found["label"].null_count() == found["width"].null_count() == found["embedding"].null_count() == 5


def test_no_images_are_a_frame_with_the_same_columns() -> None:
    assert steelflow.classify([]).schema == steelflow.classify(pictures(1)).schema


def test_progress_counts_every_image() -> None:
    told: list[int] = []
    settings = steelflow.Settings(model={"batch_size": 2})
    assert steelflow.classify(pictures(5), settings=settings, progress=told.append).height == 5
    assert told == [2, 2, 1]


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        (np.zeros((2, 9, 9)), r"images\[0\]: float64 of shape \(9, 9\)"),
        (np.zeros((9, 9, 3), np.uint8), "colour"),
        ([np.zeros(9, np.uint8)], r"images\[0\]: uint8 of shape \(9,\)"),
        ([b"", 7], r"images\[1\]: a int"),
    ],
)
def test_what_is_no_grey_picture_is_refused(images: object, problem: str) -> None:
    with pytest.raises(steelflow.errors.ConfigError, match=problem):
        steelflow.classify(images)


def test_the_model_is_the_caller_s(photos: Path) -> None:
    assert steelflow.classify(pictures(1), model="ssdc_mininet")["model_name"].to_list() == ["ssdc_mininet"]
    with pytest.raises(steelflow.errors.ModelError, match="no such model"):
        steelflow.classify(pictures(1), model="nonesuch")
