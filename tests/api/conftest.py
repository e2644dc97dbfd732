"""Real images for the Python API."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelflow.synth import Camera, PlantSpec, labelled


def write(folder: Path, spec: PlantSpec, per_class: int) -> None:
    for name, data in labelled(spec, per_class):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images of each of six classes, in a folder per class."""
    folder = tmp_path_factory.mktemp("api") / "photos"
    write(folder, PlantSpec(seed=5, size=64), per_class=3)
    return folder


@pytest.fixture(scope="session")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders ``week-46`` and ``week-47`` of 540 images each, the second one darker."""
    folder = tmp_path_factory.mktemp("weeks")
    for seed, gain in ((46, 1.0), (47, 0.7)):
        write(folder / f"week-{seed}", PlantSpec(seed=seed, size=32, camera=Camera(gain=gain)), per_class=90)
    return folder
