"""Frames in views: what a frame's row and its regions say, whatever the frame and the batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from strip import BRIGHT, DARK, SIDE, SPEC, Picture, frame, level_model, with_defect

from steelflow.config import CameraSettings, LimitSettings, LineFrame
from steelflow.engine import Engine, open_engine
from steelflow.inspection.judge import Judge, judge_frames
from steelflow.models.decision import labels_at
from steelflow.models.spec import ModelSpec
from steelflow.records import Failure
from steelflow.report.judged import Found, ImagePlace, Judged

LINE = LineFrame(mm_across=0.5, mm_along=1.0, background=40, cameras={"C1": CameraSettings(across_mm=100)})


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return open_engine(level_model(tmp_path_factory.mktemp("model") / "levels.onnx"), "onnxruntime")


def judged(engine: Engine, pictures: list[Picture | Failure], batch: int = 32, line: LineFrame = LINE) -> Judged:
    places = [ImagePlace(f"{i}.png", None, 0, "coil", 10.0, camera="C1") for i in range(len(pictures))]
    return judge_frames(places, pictures, Judge(engine, LimitSettings(), engine.spec, line, batch), line)


def regions(found: Judged) -> list[Found]:
    assert found.framed is not None
    assert found.framed.found is not None
    return found.framed.found


def names(found: Judged, spec: ModelSpec = SPEC) -> list[str]:
    return [spec.classes[label] for label in labels_at(found.probabilities, spec)]


def test_a_good_frame_is_good(engine: Engine) -> None:
    found = judged(engine, [frame(256, 1600)])
    assert names(found) == ["good"]
    assert regions(found) == []
    assert found.sizes.tolist() == [[256, 1600]]


def test_small_defects_are_regions_with_a_place_and_a_size(engine: Engine) -> None:
    picture = with_defect(frame(256, 1600), 304, 104, 16, 16)
    picture = with_defect(picture, 904, 8, 392, 16, BRIGHT)
    found = judged(engine, [picture])
    assert names(found) == ["bright"]  # that of the worst region
    long, small = regions(found)
    assert (long.region.x, long.region.y, long.region.width, long.region.height) == (904, 8, 392, 16)
    assert (small.region.x, small.region.y, small.region.width, small.region.height) == (304, 104, 16, 16)
    assert (small.along, small.across_mm) == pytest.approx((10.112, 100 + 156))
    assert (small.length_mm, small.width_mm, small.area_mm2) == pytest.approx((16, 8, 128))
    assert (long.number, small.number) == (0, 1)


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_the_batch_does_not_matter(engine: Engine, batch: int) -> None:
    pictures: list[Picture | Failure] = [
        with_defect(frame(200, 500, seed), 100 + seed, 80, 24, 24, DARK if seed % 2 else BRIGHT) for seed in range(6)
    ]
    pictures[2] = Failure("corrupt", "x")
    expected, found = judged(engine, pictures), judged(engine, pictures, batch)
    assert regions(found) == regions(expected)
    assert {one.image for one in regions(found)} == {0, 1, 3, 4, 5}
    assert found.good.tolist() == [0, 1, 3, 4, 5]
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    np.testing.assert_array_equal(found.embedding, expected.embedding)


def test_off_the_strip_nothing_is_a_defect(engine: Engine) -> None:
    picture = with_defect(frame(256, 640), 400, 0, 240, 256, level=0)  # the strip ends at 400
    picture = with_defect(picture, 100, 100, 16, 16)
    found = judged(engine, [picture, np.zeros((256, 640), np.uint8)])
    assert names(found) == ["dark", "good"]
    (only,) = regions(found)
    assert (only.image, only.region.x, only.region.y) == (0, 104, 104)
    without = judged(engine, [picture], line=LINE.model_copy(update={"background": None}))
    assert max(one.region.width for one in regions(without)) > 200  # the setting made the difference


def test_length_is_that_of_the_strip(engine: Engine) -> None:
    tail = frame(256, 64)
    tail[160:] = 0
    found = judged(engine, [frame(256, 64), tail])
    assert found.framed is not None
    assert found.framed.lengths.tolist() == pytest.approx([0.256, 0.152])  # the cell beside the end sees the end


@pytest.mark.parametrize("shape", [(1, 1), (1, 1600), (20, 20), (SIDE, SIDE), (63, 65), (300, 40)])
@pytest.mark.parametrize("level", [128, DARK])
def test_any_size(engine: Engine, shape: tuple[int, int], level: int) -> None:
    found = judged(engine, [np.full(shape, level, np.uint8)], line=LineFrame())
    assert names(found) == ["good" if level == 128 else "dark"]
    assert len(regions(found)) == (level == DARK)
    for one in regions(found):
        assert one.region.x + one.region.width <= shape[1]
        assert one.region.y + one.region.height <= shape[0]


def test_a_view_of_another_side_is_resized(engine: Engine) -> None:
    picture = with_defect(frame(256, 512), 128, 128, 64, 64)
    found = judged(engine, [picture], line=LINE.model_copy(update={"view": 2 * SIDE}))
    (only,) = regions(found)
    assert (only.region.x, only.region.y, only.region.width, only.region.height) == (128, 128, 64, 64)


def test_a_model_without_a_map_finds_views(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"sharpness": None, "operating_point": 0.3})
    engine = open_engine(level_model(tmp_path / "plain.onnx", spec), "onnxruntime")
    found = judged(engine, [with_defect(frame(64, 640), 280, 20, 24, 24)])
    (only,) = regions(found)
    assert only.region.width >= SIDE
    assert only.region.x <= 280 < 304 <= only.region.x + only.region.width


def test_a_model_without_good_classes_has_no_regions(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"good": (), "operating_point": None})
    engine = open_engine(level_model(tmp_path / "old.onnx", spec), "onnxruntime")
    found = judged(engine, [frame(64, 640)])
    assert found.framed is not None
    assert found.framed.found is None


def test_without_an_operating_point_a_defect_is_worse_than_a_good_view_of_a_higher_score(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"operating_point": None})
    engine = open_engine(level_model(tmp_path / "none.onnx", spec), "onnxruntime")
    picture = np.full((64, 320), 128, np.uint8)
    picture = with_defect(
        with_defect(picture, 16, 16, 8, 8, 56), 40, 40, 8, 8, 204
    )  # dark 0.31, bright 0.31, good 0.39
    picture = with_defect(picture, 280, 16, 8, 8, 54)  # dark 0.54
    found = judged(engine, [picture], line=LineFrame())
    (only,) = regions(found)
    assert only.region.x == 280
    assert names(found, spec) == ["dark"]
