"""Pictures without labels: which they are, what they add to the loss, and what a network learns from them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from toys import PLAIN, stripes, write
from typer.testing import CliRunner

from steelflow.cli.main import app
from steelflow.errors import DataError
from steelflow.models.deployable import load_torch, save_torch
from steelflow.models.seen import among, trained_on
from steelflow.training.data import load_folder
from steelflow.training.loss import Loss, class_weights
from steelflow.training.method import Method
from steelflow.training.mixing import Mixed
from steelflow.training.recipe import Recipe
from steelflow.training.train import TrainingPlan, train
from steelflow.training.trained import train_in_memory
from steelflow.training.unlabelled import NO_LABEL, load_unlabelled


def pictures(folder: Path, count: int, seed: int = 1) -> Path:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for i in range(count):
        cv2.imwrite(str(folder / f"{i}.png"), stripes(i % 2 == 1, rng))
    return folder


def test_every_new_picture_below_the_folder_is_read_once(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "more", 3)
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    shutil.copy(folder / "0.png", folder / "deep" / "copy.png")
    shutil.copy(folder / "1.png", folder / ".hidden" / "1.png")
    (folder / "deep" / "er" / "notes.txt").write_text("no picture")
    data = load_folder(write(tmp_path / "data", 2), 32)
    for number in range(2):  # one labelled picture, twice
        shutil.copy(tmp_path / "data" / data.paths[0], folder / f"labelled-{number}.png")
    found = load_unlabelled(folder, 32, data.digests)
    assert (found.images.shape, found.images.dtype, found.labelled) == ((3, 32, 32), np.uint8, 2)
    assert [one.path for one in found.skipped] == ["deep/er/notes.txt"]
    assert set(found.digests).isdisjoint(data.digests)
    assert found.hash != load_unlabelled(pictures(tmp_path / "others", 3, seed=2), 32, ()).hash


def test_a_folder_without_new_pictures_is_named(tmp_path: Path) -> None:
    data = load_folder(write(tmp_path / "data", 2), 32)
    with pytest.raises(DataError, match="no such folder"):
        load_unlabelled(tmp_path / "none", 32, ())
    with pytest.raises(DataError, match=r"no new picture \(4 are among the labelled ones, 0 are unreadable\)"):
        load_unlabelled(tmp_path / "data", 32, data.digests)


def test_the_loss_of_a_picture_without_a_label_is_the_teachers_alone() -> None:
    rng = torch.Generator().manual_seed(0)
    logits, told = torch.randn(6, 3, generator=rng), torch.randn(6, 3, generator=rng)
    labels = torch.tensor([0, NO_LABEL, 2, NO_LABEL, 1, 0])
    known, recipe = labels >= 0, Recipe(distillation=0.25, distillation_temperature=2)
    own = F.cross_entropy(logits[known], labels[known], label_smoothing=recipe.label_smoothing)
    divergence = F.kl_div((logits / 2).log_softmax(1), (told / 2).softmax(1), reduction="batchmean")
    loss = Loss(recipe, teacher=lambda _: told)
    torch.testing.assert_close(loss(logits, labels, logits), 0.75 * own + 0.25 * 4 * divergence)
    none = torch.full((6,), NO_LABEL)
    torch.testing.assert_close(loss(logits, none, logits), 0.25 * 4 * divergence)


def test_it_is_so_with_weights_and_with_mixed_pictures() -> None:
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 3, generator=rng)
    labels = torch.tensor([0, NO_LABEL, 2, 0])
    weights = class_weights(labels)
    torch.testing.assert_close(weights, class_weights(torch.tensor([0, 2, 0])))
    loss = Loss(Recipe(), weights)
    known = labels >= 0
    torch.testing.assert_close(loss.cross_entropy(logits, labels), loss.cross_entropy(logits[known], labels[known]))
    alone = Mixed(torch.arange(4), torch.ones(4))  # every picture is mixed with itself
    torch.testing.assert_close(loss(logits, labels, logits, alone), loss.cross_entropy(logits, labels))


def test_a_network_learns_what_the_teacher_says_of_pictures_without_labels(tmp_path: Path) -> None:
    """No label says what blank pictures are."""
    data = load_folder(write(tmp_path / "data", 12), 32)
    blank = np.stack([np.full((32, 32), 20 + 5 * i, np.uint8) for i in range(24)])
    everything = np.arange(len(data.labels))
    parts = everything, everything

    def along(share: float) -> float:
        """The probability of the second class for blank pictures, if the teacher gives them ``share``."""

        def teacher(pixels: torch.Tensor) -> torch.Tensor:
            flat = pixels.std((1, 2, 3)) < 15
            return torch.where(flat[:, None], torch.tensor([0.0, share]), torch.zeros(len(pixels), 2))

        recipe = Recipe(epochs=25, batch_size=8, augmentation=PLAIN.augmentation, distillation_temperature=1)
        method = Method(teacher=teacher, unlabelled=blank)
        model = train_in_memory(data, "ssdc_mininet", recipe, 0, parts=parts, method=method).model
        with torch.no_grad():
            return float(model(torch.from_numpy(blank)[:, None])[0].softmax(1)[:, 1].mean())

    assert along(4.0) > 0.8
    assert along(-4.0) < 0.2


def test_a_training_with_more_pictures_says_so_and_knows_them(tmp_path: Path) -> None:
    data, more = write(tmp_path / "data", 6), pictures(tmp_path / "more", 5)
    shutil.copy(data / "along" / "000.png", more / "labelled.png")
    first = train(data, TrainingPlan("ssdc_mininet", input_size=32, epochs=1), tmp_path / "first")
    plan = TrainingPlan(
        "ssdc_mininet", input_size=32, epochs=1, teachers=[str(first.onnx)], unlabelled=more, name="second"
    )
    second = train(data, plan, tmp_path / "second")
    record = json.loads(second.metrics.read_text())
    assert record["unlabelled"] == {"images": 5, "left_out": 1, "skipped": 0}
    assert record["images"] == json.loads(first.metrics.read_text())["images"]
    assert record["teachers_knew"] == 0, "it has the same seed"
    assert "Also 5 pictures without labels, which the teachers judged." in second.card.read_text()
    known = (trained_on(model, "") for model in (first.onnx, second.onnx))
    new = load_unlabelled(more, 32, load_folder(data, 32).digests).digests
    assert [among(one, new).sum() for one in known] == [0, 5]


def test_the_command_takes_them(tmp_path: Path) -> None:
    data, more = write(tmp_path / "data", 6), pictures(tmp_path / "more", 5)
    (more / "notes.txt").write_text("no picture")
    words = ["train", "--data", data, "--arch", "ssdc_mininet", "--input-size", 32, "--epochs", 1, "--out"]
    assert CliRunner().invoke(app, [str(word) for word in (*words, tmp_path / "one")]).exit_code == 0
    told = ["--teacher", tmp_path / "one" / "ssdc_mininet.onnx", "--unlabelled", more]
    ran = CliRunner().invoke(app, [str(word) for word in (*words, tmp_path / "two", *told)])
    assert ran.exit_code == 0, ran.output
    assert "skipped notes.txt" in ran.output


def test_a_teacher_that_knows_held_out_images_is_told_on_the_card(tmp_path: Path) -> None:
    data = write(tmp_path / "data", 10)
    first = train(data, TrainingPlan("ssdc_mininet", input_size=32, epochs=1, seed=1), tmp_path / "first")
    plan = TrainingPlan("ssdc_mininet", input_size=32, epochs=1, teachers=[str(first.onnx)], name="second")
    second = train(data, plan, tmp_path / "second")
    known = json.loads(second.metrics.read_text())["teachers_knew"]
    assert 0 < known <= second.evaluation.images
    assert f"A teacher was trained on {known} of them: expect less on new images." in second.card.read_text()


def test_a_model_that_does_not_tell_its_images_is_told_on_the_card(tmp_path: Path) -> None:
    data = write(tmp_path / "data", 10)
    first = train(data, TrainingPlan("ssdc_mininet", input_size=32, epochs=1), tmp_path / "first")
    save_torch(*load_torch(first.weights), first.weights, None)  # as a version before marks wrote it
    plan = TrainingPlan("ssdc_mininet", input_size=32, epochs=1, start=str(first.onnx), name="second")
    second = train(data, plan, tmp_path / "second")
    assert json.loads(second.metrics.read_text())["start_knew"] is None
    assert "The model that it began with does not tell which images trained it" in second.card.read_text()
