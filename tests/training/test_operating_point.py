"""What an operating point buys, with a model that knows defects by their grey level."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from strip import BRIGHT, SIDE, SPEC, frame, level_model, with_defect

from steelflow.engine import Engine, open_engine
from steelflow.errors import ConfigError, DataError
from steelflow.frames.views import grid
from steelflow.training.annotations import Annotations, load_annotations
from steelflow.training.operating_point import at_point, false_alarm_share, point_for, scored
from steelflow.training.strip.judge import OVERLAP


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return open_engine(level_model(tmp_path_factory.mktemp("model") / "levels.onnx"), "onnxruntime")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Annotations:
    """Good frames of 96×200, one of them with a dirty spot; dark and bright defects, two of them too faint to see."""
    root = tmp_path_factory.mktemp("data")
    pictures = {f"good/{n}.png": frame(96, 200, n) for n in range(9)}
    pictures["good/dirty.png"] = with_defect(frame(96, 200, 9), 40, 40, 16, 16)
    pictures |= {f"dark/{n}.png": with_defect(frame(96, 200, 20 + n), 100, 30, 16, 16) for n in range(3)}
    pictures |= {f"dark/faint{n}.png": with_defect(frame(96, 200, 30 + n), 100, 30, 16, 16, 110) for n in range(2)}
    pictures |= {f"bright/{n}.png": with_defect(frame(96, 200, 40 + n), 20, 10, 24, 24, BRIGHT) for n in range(4)}
    for name, grey in pictures.items():
        (root / name).parent.mkdir(exist_ok=True)
        assert cv2.imwrite(str(root / name), grey)
    return load_annotations(root)


def test_pictures_are_judged_by_their_worst_view(data: Annotations, engine: Engine) -> None:
    judged = scored(data, range(len(data.items)), engine)
    views = len(grid(96, 200, SIDE, OVERLAP))
    assert len(judged.good_views) == 10 * views
    found = at_point(judged, SPEC, 0.5)
    assert (found.good_pictures, found.good_alarms) == (10, 1)
    assert 1 <= found.good_view_alarms <= 4  # the spot may lie where views overlap
    assert found.found == {"dark": (3, 5), "bright": (4, 4)}
    assert found.recall == pytest.approx(7 / 9)
    assert found.auc is not None
    assert 0.5 < found.auc < 1
    assert found.to_dict()["found"]["dark"] == {"found": 3, "of": 5}


def test_a_point_is_fitted_to_the_good_views(data: Annotations, engine: Engine) -> None:
    judged = scored(data, range(len(data.items)), engine)
    strict, loose = point_for(judged, 0.0), point_for(judged, 0.5)
    assert at_point(judged, SPEC, strict).good_view_alarms == 0
    assert at_point(judged, SPEC, loose).good_view_alarms <= 0.5 * len(judged.good_views)
    assert loose < strict
    bad = [i for i, item in enumerate(data.items) if item.label != "good"]
    with pytest.raises(DataError, match="has no good pictures"):
        point_for(scored(data, bad, engine), 0.1)


def test_a_class_that_the_model_does_not_know_is_named(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "scratch").mkdir()
    cv2.imwrite(str(tmp_path / "scratch/1.png"), frame(96, 96))
    data = load_annotations(tmp_path)
    with pytest.raises(DataError, match=r"its class scratch is unknown to levels, which has dark, good, bright"):
        scored(data, [0], engine)


@pytest.mark.parametrize(("asked", "share"), [("0.5%", 0.005), ("1 %", 0.01), (0.005, 0.005), ("0.02", 0.02), (0, 0)])
def test_a_share_is_said_in_several_ways(asked: float | str, share: float, data: Annotations) -> None:
    assert false_alarm_share(asked, data, range(len(data.items)), SIDE, None) == pytest.approx(share)


def test_alarms_per_length_are_converted_by_the_views_of_good_frames(data: Annotations) -> None:
    share = false_alarm_share("2/100m", data, range(len(data.items)), SIDE, 0.5)
    metres, views = 10 * 96 * 0.5 / 1000, 10 * len(grid(96, 200, SIDE, OVERLAP))
    assert share == pytest.approx(2 * metres / 100 / views)


@pytest.mark.parametrize("asked", ["many", "-1%", "100%", "1", "2/50m", "nan", "inf", ""])
def test_what_is_no_share_is_refused(asked: str, data: Annotations) -> None:
    with pytest.raises(ConfigError, match="false alarms"):
        false_alarm_share(asked, data, range(len(data.items)), SIDE, None)


@pytest.mark.parametrize("scale", [None, 0.0, -1.0, float("nan")])
def test_alarms_per_length_need_the_scale(scale: float | None, data: Annotations) -> None:
    with pytest.raises(ConfigError, match="need the scale"):
        false_alarm_share("2/100m", data, range(len(data.items)), SIDE, scale)


def test_a_picture_of_one_row_is_judged_too(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "good").mkdir()
    cv2.imwrite(str(tmp_path / "good/1.png"), np.full((1, 300), 128, np.uint8))
    judged = scored(load_annotations(tmp_path), [0], engine)
    assert len(judged.good_views) == len(grid(1, 300, SIDE, OVERLAP))


def test_what_chose_the_point_is_judged_at_the_point_of_the_other_half(data: Annotations, engine: Engine) -> None:
    """The dirty picture cannot choose a point above its own score: it alarms, however few alarms were asked for."""
    judged = scored(data, range(len(data.items)), engine)
    point = point_for(judged, 0.0)
    plain, crossed = at_point(judged, SPEC, point), at_point(judged, SPEC, point, 0.0)
    assert (plain.good_alarms, crossed.good_alarms) == (0, 1)
    assert (plain.crossed, crossed.crossed) == (False, True)
    assert crossed.operating_point == point
    assert (crossed.recall or 0) > 0
