"""A model of views is evaluated on frames as it judges them: by their worst view, at its operating point."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from strip import BRIGHT, DARK, frame, level_model, with_defect

import steelflow
from steelflow.errors import ConfigError


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    for label, level in (("dark", DARK), ("bright", BRIGHT), ("good", None)):
        (tmp_path / "frames" / label).mkdir(parents=True)
        for number in range(4):
            picture = frame(64, 200, number)
            shown = picture if level is None else with_defect(picture, 120, 16, 16, 16, level)
            cv2.imwrite(str(tmp_path / "frames" / label / f"{number}.png"), shown)
    return tmp_path / "frames"


def test_good_against_defect_is_told_at_the_operating_point(frames: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    found = steelflow.evaluate(level_model(tmp_path / "levels.onnx"), frames, progress=seen.append)
    assert sum(seen) == found.figures.images == 12
    assert found.at_point is not None
    assert (found.at_point.auc, found.at_point.recall, found.at_point.good_alarms) == (1.0, 1.0, 0)
    assert found.at_point.found == {"dark": (4, 4), "bright": (4, 4)}
    assert found.to_dict()["at_point"]["recall"] == 1.0


def test_disturbances_are_for_whole_images(frames: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="judges views; --robustness is for models of whole images"):
        steelflow.evaluate(level_model(tmp_path / "levels.onnx"), frames, robustness=True)
