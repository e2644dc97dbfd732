"""Cameras that the settings do not name, although they name others, are told with the night."""

from __future__ import annotations

from pathlib import Path

import pytest
from frame_plants import NIGHT, frame_settings, write_frames
from strip import level_model

from steelflow.config import CameraSettings, Settings
from steelflow.night.run import inspect_night


def told(folder: Path, camera: str, *named: str) -> list[str]:
    """The notes of a night whose frames of the coil C1 are from ``camera``, and those of other coils from none."""
    settings = frame_settings(write_frames(folder / "images"), folder / "report", level_model(folder / "levels.onnx"))
    coil = folder / "images" / "line=L1" / f"date={NIGHT}" / "coil=C1"
    names = sorted(path.name for path in coil.iterdir())
    (coil / "frames.csv").write_text("name,camera\n" + "".join(f"{name},{camera}\n" for name in names))
    result = inspect_night(with_cameras(settings, *named), NIGHT)
    return [note for note in result.notes if "[frame.cameras]" in note]


def with_cameras(settings: Settings, *named: str) -> Settings:
    assert settings.frame is not None
    cameras = {name: CameraSettings() for name in named}
    return settings.model_copy(update={"frame": settings.frame.model_copy(update={"cameras": cameras})})


@pytest.mark.parametrize(
    ("camera", "named", "lacking"),
    [
        ("cam1", ("Cam1",), "names 'Cam1' and not frames without a camera, 'cam1'"),
        ("cam1", ("cam1", "cam2"), "names 'cam1', 'cam2' and not frames without a camera"),
    ],
)
def test_cameras_that_the_settings_do_not_name(
    camera: str, named: tuple[str, ...], lacking: str, tmp_path: Path
) -> None:
    first, second = told(tmp_path, camera, *named)
    assert first.startswith(f"line L1: [frame.cameras] {lacking}: the place")
    assert second.startswith("line L2: ")


def test_without_cameras_in_the_settings_nothing_is_said(tmp_path: Path) -> None:
    assert told(tmp_path, "cam1") == []
