"""Real images for the Python API."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelflow.synth import PlantSpec, labelled


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of three images for each of six classes, as training and evaluation expect them too."""
    folder = tmp_path_factory.mktemp("api") / "photos"
    for name, data in labelled(PlantSpec(seed=5, size=64), per_class=3):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder
