"""Fine-tuning: a training that starts from a model, with a head for more classes if need be."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from toys import PLAIN, write

from steelflow.errors import ConfigError, DataError, ModelError
from steelflow.models import CATALOGUE, architecture
from steelflow.models.deployable import Deployable, load_torch
from steelflow.models.spec import ModelSpec
from steelflow.training.distil import TeacherModel
from steelflow.training.start import start_from
from steelflow.training.train import HoldOut, TrainingPlan, train

SIZE = 64


def fresh(arch: str, *classes: str, seed: int = 0) -> TeacherModel:
    torch.manual_seed(seed)
    size = max(SIZE, 96 if arch == "densenet121" else SIZE)
    network = architecture(arch).build(len(classes), size)
    dims = min(network.feature_dims, 32)
    spec = ModelSpec(name="m", arch=arch, classes=classes, input_size=size, embedding_dims=dims)
    return TeacherModel(Deployable(network, spec), spec, "")


@pytest.mark.parametrize("arch", sorted(set(CATALOGUE) - {"resnet50", "densenet121", "resnet50v2_transfer", "effnet"}))
def test_rows_of_the_head_follow_their_classes(arch: str) -> None:
    old, new = fresh(arch, "b", "c", seed=1), fresh(arch, "a", "b", "c", seed=2)
    before = {name: tensor.clone() for name, tensor in new.model.network.state_dict().items()}
    start_from(new.model, arch, new.spec.classes, old)
    taken, theirs = new.model.network.state_dict(), old.model.network.state_dict()
    widened = [name for name, tensor in taken.items() if tensor.shape != theirs[name].shape]
    assert widened
    assert all(name.startswith("head.") for name in widened)
    for name, tensor in taken.items():
        if name in widened:
            torch.testing.assert_close(tensor[1:], theirs[name])
            torch.testing.assert_close(tensor[0], before[name][0])
        else:
            torch.testing.assert_close(tensor, theirs[name])


def test_the_same_classes_in_another_order_keep_their_rows() -> None:
    old, new = fresh("steelnet", "a", "b", seed=1), fresh("steelnet", "b", "a", seed=2)
    start_from(new.model, "steelnet", new.spec.classes, old)
    torch.testing.assert_close(new.model.network.head.weight, old.model.network.head.weight[[1, 0]])


def test_another_architecture_is_refused() -> None:
    with pytest.raises(ModelError, match="is a ssdc_mininet and cannot be fine-tuned to a steelnet"):
        start_from(fresh("steelnet", "a", "b").model, "steelnet", ("a", "b"), fresh("ssdc_mininet", "a", "b"))


def test_fine_tuning_learns_a_new_class_and_says_where_it_came_from(tmp_path: Path) -> None:
    data = write(tmp_path / "data", per_class=20)
    recipe = replace(PLAIN, epochs=8)
    first = train(data, TrainingPlan("steelnet_s", input_size=40, recipe=recipe), tmp_path / "first")
    (data / "dots").mkdir()
    rng = np.random.default_rng(1)
    for i in range(20):
        cv2.imwrite(str(data / "dots" / f"{i}.png"), rng.integers(0, 255, (40, 40), dtype=np.uint8))
    second = train(data, TrainingPlan("steelnet_s", start=str(first.onnx), recipe=recipe), tmp_path / "second")
    assert second.spec.classes == ("across", "along", "dots")
    assert second.spec.input_size == 40
    assert second.evaluation.accuracy > 0.9
    assert "starting from" in second.card.read_text()
    assert load_torch(second.weights)[1] == second.spec


def test_what_is_held_out_can_be_told(tmp_path: Path) -> None:
    data = write(tmp_path / "data", per_class=12)
    rule = HoldOut("every fourth by its digest", lambda digest: digest[0] % 4 == 0)
    result = train(
        data,
        TrainingPlan("steelnet_s", input_size=40, recipe=replace(PLAIN, epochs=1), hold_out=rule),
        tmp_path / "out",
    )
    assert result.trained_on + result.evaluation.images == 24
    assert "every fourth by its digest" in result.card.read_text()
    nothing = HoldOut("nothing", lambda _: False)
    with pytest.raises(DataError, match="would be held out"):
        train(
            data,
            TrainingPlan("steelnet_s", input_size=40, recipe=replace(PLAIN, epochs=1), hold_out=nothing),
            tmp_path / "x",
        )


def test_two_beginnings_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give only one of them"):
        train(tmp_path, TrainingPlan("mobilenet_v2_transfer", start="steelnet", pretrained=True), tmp_path / "out")


def test_a_model_without_torch_weights_cannot_be_a_beginning(tmp_path: Path) -> None:
    data = write(tmp_path / "data", per_class=4)
    first = train(data, TrainingPlan("steelnet_s", input_size=40, recipe=replace(PLAIN, epochs=1)), tmp_path / "first")
    alone = Path(shutil.copy(first.onnx, tmp_path / "alone.onnx"))
    with pytest.raises(ModelError, match=r"alone\.safetensors"):
        train(data, TrainingPlan("steelnet_s", start=str(alone), recipe=replace(PLAIN, epochs=1)), tmp_path / "out")
