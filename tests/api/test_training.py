"""``steelflow.train`` and ``steelflow.evaluate``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from plants import local_settings

import steelflow
from steelflow.labels import Label
from steelflow.registry import open_registry


def test_a_shipped_model_is_fine_tuned_and_judged(photos: Path, tmp_path: Path) -> None:
    epochs: list[int] = []
    settings = steelflow.Settings(selection={"arch": "steelnet"})
    result = steelflow.train(
        photos,
        out=tmp_path / "model",
        start="steelnet",
        epochs=2,
        learning_rate=1e-6,
        settings=settings,
        progress=lambda epoch: epochs.append(epoch.epoch),
    )
    assert epochs == [1, 2]
    assert (result.spec.arch, result.trained_on, result.evaluation.images) == ("steelnet", 12, 6)
    told: list[int] = []
    again = steelflow.evaluate(result.onnx, photos, held_out=0, progress=told.append)
    assert again.figures.confusion == result.evaluation.confusion
    assert sum(told) == 6
    assert set(steelflow.classify(photos.rglob("*.jpg"), model=result.onnx)["status"]) == {"ok"}


def test_a_label_store_is_data_as_a_folder_is(photos: Path, tmp_path: Path) -> None:
    labels = steelflow.open_labels(tmp_path / "labels")
    with pytest.raises(steelflow.errors.DataError, match="holds no labels"):
        steelflow.evaluate("steelnet", labels)
    files = sorted(photos.rglob("*.jpg"))
    said = [Label(labels.images.put(file.read_bytes()), file.parent.name, "ann", "test") for file in files]
    labels.add(said, new_classes={one.label for one in said if one.label})
    stored, listed = (steelflow.evaluate("steelnet", data) for data in (labels, photos))
    assert stored.figures.confusion == listed.figures.confusion
    assert stored.figures.images == 18


def test_the_registry_remembers_which_images_trained_its_models(photos: Path, tmp_path: Path) -> None:
    settings = local_settings(tmp_path / "archive", tmp_path / "reports")
    result = steelflow.train(photos, out=tmp_path / "model", arch="steelnet", epochs=1, settings=settings)
    registry = open_registry(settings)
    made = registry.register(result.onnx.parent, who="ann", reason="a test")
    registry.promote(made.version, who="ann", reason="a test")
    assert steelflow.evaluate("champion", photos, settings=settings).seen == result.trained_on == 12
    assert steelflow.evaluate("champion", photos, held_out=0, settings=settings).seen == 0
    alone = tmp_path / "alone.onnx"
    shutil.copy(result.onnx, alone)
    assert steelflow.evaluate(alone, photos, settings=settings).seen is None


def test_robustness_is_asked_for(photos: Path) -> None:
    assert steelflow.evaluate("steelnet", photos).disturbed == {}
    assert len(steelflow.evaluate("steelnet", photos, robustness=True).disturbed) == 15


def test_what_is_wrong_is_an_error_of_ours(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(steelflow.errors.ConfigError, match="epochs is 0"):
        steelflow.train(photos, out=tmp_path, epochs=0)
    with pytest.raises(steelflow.errors.ModelError, match="no architecture 'steelnot'"):
        steelflow.train(photos, out=tmp_path, arch="steelnot")
    with pytest.raises(steelflow.errors.DataError, match="no such folder"):
        steelflow.evaluate("steelnet", tmp_path / "gone")
