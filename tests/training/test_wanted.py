"""Which training fits the data, and one of each through the API."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from drawn import mask, picture

import steelflow
from steelflow.errors import ConfigError, DataError
from steelflow.training.annotations import list_annotations
from steelflow.training.data import load_images, split
from steelflow.training.wanted import Wanted


def cut_outs(root: Path) -> Path:
    for number in range(6):
        picture(root / f"crack/{number}.png", number, defect=True)
        picture(root / f"hole/{number}.png", 10 + number)
    return root


def good_too(root: Path) -> Path:
    for number in range(6):
        picture(root / f"good/{number}.png", 20 + number, height=80, width=90)
    return cut_outs(root)


def with_masks(root: Path) -> Path:
    for number in range(6):
        picture(root / f"crack/{number}.jpg", number, height=80, width=90, defect=True)
        mask(root / f"crack/{number}.png", height=80, width=90)
        picture(root / f"good/{number}.jpg", 20 + number, height=80, width=90)
    return root


@pytest.mark.parametrize(
    ("write", "said", "whole"),
    [
        (cut_outs, {}, True),
        (cut_outs, {"arch": "steelnet"}, True),
        (cut_outs, {"arch": "strip_light"}, False),
        (cut_outs, {"good": ("crack",)}, False),
        (good_too, {}, False),
        (good_too, {"arch": "strip_light"}, False),
        (good_too, {"arch": "steelnet"}, True),
        (good_too, {"arch": "steelnet", "good": ("good",)}, False),
        (good_too, {"arch": "steelnet", "false_alarms": "1%"}, False),
        (with_masks, {}, False),
        (with_masks, {"arch": "steelnet"}, False),
    ],
)
def test_the_data_decides_on_the_kind_of_model(
    write: Callable[[Path], Path], said: dict[str, object], whole: bool, tmp_path: Path
) -> None:
    wanted = Wanted(default_arch="steelnet", **said)
    assert wanted.of_whole_pictures(list_annotations(write(tmp_path), good=wanted.good)) is whole


def test_a_model_of_views_says_what_its_operating_point_buys(tmp_path: Path) -> None:
    steps: list[int] = []
    result = steelflow.train(
        with_masks(tmp_path / "data"),
        out=tmp_path / "model",
        input_size=64,
        epochs=1,
        false_alarms="50%",
        augment={"blur": 0},
        progress=lambda step: steps.append(step.step),
    )
    assert steps
    assert (result.spec.good, result.spec.view, result.spec.classes) == (("good",), 64, ("crack", "good"))
    assert result.at_point.operating_point == result.spec.operating_point
    assert result.at_point.found["crack"][1] == 1
    assert result.at_point.good_pictures == 1
    assert result.evaluation.images == 2
    assert (result.trained_on, result.skipped) == (10, ())
    assert set(steelflow.classify((tmp_path / "data").rglob("*.jpg"), model=result.onnx)["status"]) == {"ok"}


@pytest.mark.parametrize(("write", "where"), [(cut_outs, "batch_size"), (with_masks, "batch")])
def test_the_size_of_a_batch_can_be_chosen(write: Callable[[Path], Path], where: str, tmp_path: Path) -> None:
    data = write(tmp_path / "data")
    result = steelflow.train(data, out=tmp_path / "model", input_size=64, epochs=1, batch_size=3)
    assert json.loads(result.metrics.read_text())["recipe"][where] == 3
    with pytest.raises(ConfigError, match=r"batch.* 0; it must be at least 1"):
        steelflow.train(data, out=tmp_path / "other", input_size=64, batch_size=0)


def test_groups_hold_for_cut_outs_too(tmp_path: Path) -> None:
    root = cut_outs(tmp_path / "data")
    result = steelflow.train(root, out=tmp_path / "model", arch="ssdc_mininet", epochs=1, group_by=r"([0-2])?\.png")
    data = load_images(root, 32)
    usual = {data.paths[index] for index in split(data)[1]}
    assert result.trained_on + result.evaluation.images == 12
    assert len(usual) == 2
    assert "groups by" in result.metrics.read_text()


@pytest.mark.parametrize(
    ("write", "said", "reason"),
    [
        (cut_outs, {"false_alarms": "1%"}, "false alarms have no effect: .* has no good pictures"),
        (cut_outs, {"augment": {"colour": 1}}, "no augmentation 'colour'"),
        (good_too, {"mixup": 0.2}, "mixup: has no effect on a model of views"),
        (good_too, {"patience": 3}, "patience: has no effect"),
        (good_too, {"start": "steelnet"}, "start: has no effect"),
        (good_too, {"pretrained": True}, "pretrained without a file: has no effect"),
        (good_too, {"teachers": ("steelnet",), "unlabelled": "."}, "unlabelled: has no effect"),
        (cut_outs, {"unlabelled": "more"}, "more: nobody says what the pictures without labels show"),
        (good_too, {"teachers": ("a", "b")}, "a second teacher: has no effect"),
        (good_too, {"false_alarms": "often"}, "give a share of views such as 0.5%"),
        (good_too, {"false_alarms": "2/100m"}, "need the scale"),
        (with_masks, {"arch": "steelnet"}, "steelnet judges whole pictures"),
        (cut_outs, {"group_by": "coil"}, "matches no path"),
    ],
)
def test_what_has_no_effect_is_an_error_and_nothing_is_written(
    write: Callable[[Path], Path], said: dict[str, object], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=reason):
        steelflow.train(write(tmp_path / "data"), out=tmp_path / "model", **said)
    assert not (tmp_path / "model").exists()


def test_only_good_pictures_are_not_enough(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / f"good/{number}.png", number)
    with pytest.raises(DataError, match="has no defect class"):
        steelflow.train(tmp_path, out=tmp_path / "model")
