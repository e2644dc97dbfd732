from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from steelflow.errors import ConfigError
from steelflow.models.spec import ModelSpec
from steelflow.selection.strip_figures import measure_model, measure_recipes
from steelflow.selection.strip_frames import HEIGHT, WIDTH, composed
from steelflow.selection.strip_recipe import plans
from steelflow.selection.table import render
from steelflow.training.strip.judge import Judged
from steelflow.training.strip.places import box_ratio, points_at
from tests.support.strips import write_strips


def picture(height: int, width: int, defect: tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    grey, labels = np.full((height, width), 100, np.uint8), np.zeros((height, width), np.uint8)
    if defect:
        row, column = defect
        labels[row : row + 10, column : column + 10] = 1
        grey[labels == 1] = 10
    return grey, labels


def test_frames_have_one_defect_picture_and_show_its_defect() -> None:
    pictures = [picture(300, 250), picture(240, 500), picture(390, 300, (380, 280)), picture(256, 1600, (5, 5))]
    wanted = [None, 2, 3, 2, None]
    frames = list(composed(lambda i: pictures[i], [0, 1], wanted, (0,), seed=3))
    assert [frame.defect for frame in frames] == wanted
    for frame, defect in zip(frames, wanted, strict=True):
        assert frame.grey.shape == frame.labels.shape == (HEIGHT, WIDTH)
        assert (frame.labels == 1).sum() in ((0,) if defect is None else range(90, 101))
        np.testing.assert_array_equal(frame.grey < 50, frame.labels == 1)


def judged(height: int, width: int, places: list[tuple[int, int]], hot: dict[int, list[tuple[int, int]]]) -> Judged:
    """Views of 64 pixels with 8×8 cells; ``hot`` cells of a view are defects."""
    bad = np.full((len(places), 8, 8), 0.01, np.float32)
    for view, cells in hot.items():
        for row, column in cells:
            bad[view, row, column] = 0.9
    scores = bad.max((1, 2))
    return Judged(
        height, width, places, scores, np.stack([1 - scores, scores], 1), np.stack([1 - bad, bad], 1).astype(np.float32)
    )


SPEC = ModelSpec(
    name="m", arch="strip_light", classes=("free", "dent"), input_size=64, embedding_dims=8, good=("free",), view=64
)


@pytest.mark.parametrize(("cell", "hit"), [((2, 3), True), ((5, 5), False)])
def test_pointing_asks_where_the_highest_cell_lies(cell: tuple[int, int], hit: bool) -> None:
    _, labels = picture(64, 128, (16, 88))  # cells (2, 3) and (3, 3) of the right view
    assert points_at(judged(64, 128, [(0, 0), (0, 64)], {1: [cell]}), SPEC, labels, (0,)) is hit


def test_the_box_of_a_region_is_compared_with_that_of_its_defect() -> None:
    _, labels = picture(64, 128, (16, 88))
    labels[40:44, 0:4] = 1  # another defect, which the region does not touch
    found = judged(64, 128, [(0, 0), (0, 64)], {1: [(2, 3), (2, 4)]})
    assert box_ratio(found, SPEC, labels, (0,), 0.5) == pytest.approx(8 * 16 / 100)
    assert box_ratio(found, SPEC, labels, (0,), 0.95) is None
    missed = judged(64, 128, [(0, 0), (0, 64)], {1: [(7, 7)]})
    assert box_ratio(missed, SPEC, labels, (0,), 0.5) is None


def test_recipes_are_trained_once_measured_and_shown(tmp_path: Path) -> None:
    data, out, kept = write_strips(tmp_path / "data", good=8, defects=5), tmp_path / "r.json", tmp_path / "models"
    wanted = {seed: plans(["strip"], seed, kept / f"seed-{seed}", None, view=64, steps=30) for seed in (0, 1)}
    first = measure_recipes(data, out, wanted, kept, pictures=None, command="c", say=lambda _: None, frames=3)
    said: list[str] = []
    again = measure_recipes(data, out, wanted, kept, pictures=None, command="c", say=said.append, frames=3)
    assert again["models"] == first["models"] == json.loads(out.read_text())["models"]
    assert said == ["seed 0: measuring strip", "seed 1: measuring strip"]
    (model,) = first["models"].values()
    for run in model["runs"]:
        assert run["pictures"]["good"] >= 1
        assert run["frames"]["defects"] == run["pictures"]["defects"]
    assert model["summary"]["picture_auc"]["mean"] > 0.8
    assert "| data | lookalikes kept together | `strip` | 2 |" in render([first])


def test_a_split_by_name_is_measured_without_lookalikes_too(tmp_path: Path) -> None:
    """A picture in two sizes of file is one piece under two names."""
    data, kept = write_strips(tmp_path / "data", good=8, defects=5), tmp_path / "models"
    for path in sorted((data / "free").iterdir()):
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert cv2.imwrite(str(path.with_name(f"again-{path.stem}.png")), np.maximum(grey, 1) - 1)
    wanted = {0: plans(["strip"], 0, kept / "seed-0", None, view=64, steps=3)}
    found = measure_recipes(
        data, tmp_path / "r.json", wanted, kept, pictures=None, command="c", say=lambda _: None, frames=2, by_name=True
    )
    (run,) = found["models"]["strip"]["runs"]
    assert run["without_lookalikes"]["pictures"]["good"] < run["pictures"]["good"]
    text = render([found])
    assert "| data | by name alone | `strip` | 1 |" in text
    assert "| data | by name alone, those without lookalikes | `strip` | 1 |" in text


def test_a_model_is_measured_on_pictures_of_its_own_classes_only(tmp_path: Path) -> None:
    data = write_strips(tmp_path / "data", good=2, defects=2)
    with pytest.raises(ConfigError, match=r"steelnet: knows crazing, .* the data has free, hole, scratch"):
        measure_model(data, tmp_path / "r.json", "steelnet", pictures=None, seed=0, command="c")
    assert not (tmp_path / "r.json").exists()


def test_an_unknown_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recipe stripe; there are: strip_accurate, strip"):
        plans(["stripe"], 0, tmp_path, None, view=64)


def test_the_light_model_is_distilled_if_both_are_asked_for(tmp_path: Path) -> None:
    both = plans(["strip", "strip_accurate"], 1, tmp_path, Path("m.tflite"), view=128)
    assert list(both) == ["strip_accurate", "strip"]
    assert both["strip"].teacher == str(tmp_path / "strip_accurate.onnx")
    assert both["strip_accurate"].pretrained == Path("m.tflite")
    assert plans(["strip"], 1, tmp_path, None, view=128)["strip"].teacher is None
    assert {plan.augmentation.geometry.side for plan in both.values()} == {128}
