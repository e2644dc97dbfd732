from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from steelflow.config import StoreSettings
from steelflow.engine.onnx import OnnxEngine
from steelflow.errors import ConfigError, DataError
from steelflow.models.decision import defect_scores
from steelflow.registry import Registry
from steelflow.store import open_store
from steelflow.training.annotations import Annotations, Box, load_annotations
from steelflow.training.strip.figures import crossed_thresholds, halves, separation, threshold_for
from steelflow.training.strip.loss import DenseLoss
from steelflow.training.strip.mined import Mined
from steelflow.training.strip.plan import StripPlan
from steelflow.training.strip.train import TrainedStrip, train_strip
from tests.support.strips import write_strips

PLAN = StripPlan(view=64, steps=40, batch=8, false_alarms=0.1, held_out=0.25)


@pytest.fixture(scope="module")
def strips(tmp_path_factory: pytest.TempPathFactory) -> Annotations:
    return load_annotations(write_strips(tmp_path_factory.mktemp("strips")), good=("free",))


@pytest.fixture(scope="module")
def trained(strips: Annotations, tmp_path_factory: pytest.TempPathFactory) -> TrainedStrip:
    return train_strip(strips, tmp_path_factory.mktemp("trained"), PLAN)


def test_a_model_of_strip_finds_defects_it_has_not_seen(trained: TrainedStrip) -> None:
    assert trained.figures.auc is not None
    assert trained.figures.auc > 0.9
    assert trained.spec.good == ("free",)
    assert trained.spec.view == 64
    assert trained.spec.operating_point == trained.figures.threshold
    assert trained.figures.crossed


def test_the_files_agree_and_the_engine_reads_them(trained: TrainedStrip) -> None:
    engine = OnnxEngine(trained.onnx)
    assert engine.spec == trained.spec
    assert engine.novelty is not None
    outputs = engine.run(np.full((2, 1, 64, 64), 110, np.uint8))
    assert outputs.map is not None
    assert outputs.map.shape == (2, 3, 8, 8)
    assert defect_scores(outputs.probabilities, engine.spec).max() < 0.5
    record = json.loads(trained.metrics.read_text())
    assert record["held_out"]["recall_by_class"].keys() == {"hole", "scratch"}
    assert "| scratch |" in trained.card.read_text()


def test_a_registered_model_brings_its_record_and_figures(trained: TrainedStrip, tmp_path: Path) -> None:
    folder = shutil.copytree(trained.onnx.parent, tmp_path / "trained")
    registry = Registry(open_store(str(tmp_path / "registry"), StoreSettings(), create=True))
    made = registry.register(folder / trained.onnx.name, who="ann", reason="a test")
    record = json.loads(registry.read(made, "metrics.json"))
    assert record == json.loads(trained.metrics.read_text())
    assert made.data_hash == record["data_hash"]
    assert made.metrics["auc"] == trained.figures.auc
    (folder / trained.metrics.name).write_text('{"of": "something else"}')
    other = registry.register(folder / trained.onnx.name, who="ann", reason="a file of that name that is no record")
    assert (other.version, other.data_hash, other.metrics) == ("v2", None, {})


def test_a_good_picture_with_a_place_that_may_be_a_defect_does_not_set_the_operating_point(
    strips: Annotations, tmp_path: Path
) -> None:
    """A frame that shows only a class with too few labels is such a picture."""
    plan = replace(PLAN, steps=1)
    _, held_out = strips.split(plan.seed, plan.held_out)
    doubtful = {number for number in held_out if strips.items[number].label == "free"} - {held_out[-1]}
    items = [
        replace(item, unsure=(Box("", 0, 0, 8, 8),)) if number in doubtful else item
        for number, item in enumerate(strips.items)
    ]
    sure, some = (
        train_strip(data, tmp_path / name, plan).figures
        for name, data in (("sure", strips), ("some", replace(strips, items=tuple(items))))
    )
    assert doubtful
    assert some.good == sure.good - len(doubtful)
    assert some.defects == sure.defects


def test_equal_seeds_give_equal_weights(strips: Annotations, tmp_path: Path) -> None:
    plan = replace(PLAN, steps=3)
    first, second = (train_strip(strips, tmp_path / name, plan) for name in ("a", "b"))
    assert first.weights.read_bytes() == second.weights.read_bytes()


def test_a_light_model_learns_from_a_teacher(strips: Annotations, trained: TrainedStrip, tmp_path: Path) -> None:
    plan = replace(PLAN, teacher=str(trained.onnx), pool=64, name="light")
    light = train_strip(strips, tmp_path, plan)
    assert light.figures.auc is not None
    assert light.figures.auc > 0.9
    assert "distilled from `strip`" in light.card.read_text()


def test_a_teacher_of_other_classes_is_refused(trained: TrainedStrip, tmp_path: Path) -> None:
    root = write_strips(tmp_path / "data", good=3, defects=3)
    (root / "hole").rename(root / "dent")
    with pytest.raises(ConfigError, match="a teacher has a map, and the classes of the data: dent, free, scratch"):
        train_strip(load_annotations(root, good=("free",)), tmp_path, replace(PLAN, teacher=str(trained.onnx)))
    assert not list(tmp_path.glob("strip.*"))


def test_data_without_good_pictures_is_refused(strips: Annotations, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no good class"):
        train_strip(replace(strips, good=()), tmp_path, PLAN)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"view": 100}, "multiple of 32"),
        ({"held_out": 1.0}, "held_out is 1.0"),
        ({"false_alarms": 1.0}, "false_alarms is 1.0"),
        ({"epochs": 3}, "steps or epochs, not both"),
        ({"batch": 0}, "batch is 0"),
    ],
)
def test_a_plan_is_checked(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(PLAN, **changes)


def test_a_device_that_is_not_there_is_refused(strips: Annotations, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no device 'tpu' for torch here"):
        train_strip(strips, tmp_path, replace(PLAN, device="tpu"))
    assert not list(tmp_path.iterdir())


def test_hard_pictures_and_small_groups_come_more_often() -> None:
    rng = np.random.default_rng(0)
    mined = Mined(range(5), ["tile", "tile", "tile", "tile", "other"])
    for _ in range(20):
        mined.note([0, 1, 2, 3, 4], [1.0, 0.0, 0.0, 0.0, 0.0])
    drawn = np.bincount([mined.choose([0, 1, 2, 3, 4], rng) for _ in range(4000)], minlength=5)
    assert drawn[0] > 2 * drawn[1:4].max()
    assert drawn[4] > 1.5 * drawn[1:4].max()
    assert drawn.min() > 200, "an easy picture may still come"


@pytest.mark.parametrize(("share", "above"), [(0.0, 0), (0.05, 5), (0.1, 10), (0.999, 99)])
def test_at_most_the_asked_share_of_good_scores_is_above(share: float, above: int) -> None:
    scores = np.random.default_rng(0).random(100)
    assert (scores > threshold_for(scores, share)).sum() == above


def test_separation_counts_each_class() -> None:
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.25, 0.9, 0.8])
    found = separation(scores, ["ok"] * 4 + ["dent", "dent", "hole"], ["ok"], 0.25)
    assert (found.good, found.defects, found.threshold, found.false_alarms) == (4, 3, 0.3, 0.25)
    assert found.recall_by_class == {"dent": 0.5, "hole": 1.0}
    assert found.recall == pytest.approx(2 / 3)
    assert found.auc == pytest.approx(10 / 12)


def test_thresholds_are_crossed_between_groups() -> None:
    groups = ["a", "a", "b", "b", "c", "d", "d", "d"]
    scores = np.array([0.1, 0.2, 0.9, 0.8, 0.3, 0.4, 0.5, 0.6])
    second = halves(groups)
    assert len(set(zip(groups, second.tolist(), strict=True))) == 4, "no group is in both halves"
    assert second.any()
    assert not second.all()
    limits = crossed_thresholds(scores, np.arange(8), groups, 0.0)
    assert limits is not None
    assert set(limits[second]) == {scores[~second].max()}
    assert set(limits[~second]) == {scores[second].max()}
    assert crossed_thresholds(scores, np.arange(8), ["a"] * 8, 0.0) is None


def test_the_loss_weighs_small_defects_like_large_ones() -> None:
    loss = DenseLoss(good=(0,), sharpness=4.0, focus=0.0)
    cells = torch.zeros(1, 2, 8, 8)
    small, large = torch.zeros(1, 8, 8, dtype=torch.long), torch.zeros(1, 8, 8, dtype=torch.long)
    small[0, 0, 0], large[0, :4] = 1, 1
    assert loss.of_cells(cells, small).item() == pytest.approx(loss.of_cells(cells, large).item())


def test_the_loss_ignores_what_is_unknown() -> None:
    loss = DenseLoss(good=(0,), sharpness=4.0)
    cells = torch.randn(2, 2, 4, 4, requires_grad=True)
    unknown = torch.full((2, 4, 4), 255)
    value = loss(cells, unknown, torch.tensor([-1, -1]))
    value.backward()
    assert value.item() == 0
    assert cells.grad is not None
    assert not cells.grad.any()
