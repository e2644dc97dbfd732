"""A disk that fills up: the night says so in a line, nothing is half-written, and with room the next run ends it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from plants import FOUND, NIGHT, local_settings, make_plant, rows_of

from steelflow.config import Settings
from steelflow.errors import SteelflowError
from steelflow.night.run import inspect_night

ROOM = 64 << 20  # more than the night needs


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plant(tmp_path_factory.mktemp("plant"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An own small disk in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root, to mount a small disk")
    options = ("mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder))
    if subprocess.run(options, capture_output=True).returncode:
        pytest.skip("a disk in memory cannot be mounted here")
    yield folder
    subprocess.run(("umount", "--lazy", str(folder)), check=True)


def fill(disk: Path, free: int) -> None:
    """Leave ``free`` bytes."""
    left = shutil.disk_usage(disk).free - free
    with (disk / "filler").open("wb") as file:
        while left > 0:
            left -= file.write(bytes(min(left, 1 << 20)))


def run_while_full(settings: Settings) -> None:
    """Any error but one of ours fails the test."""
    with contextlib.suppress(SteelflowError):
        assert inspect_night(settings, NIGHT).found <= FOUND


@pytest.mark.parametrize("free", [0, 4 << 10, 40 << 10, 100 << 10, 400 << 10])
@pytest.mark.parametrize("where", ["report", "home", "temporary"])
def test_a_full_disk(plant: Path, disk: Path, monkeypatch: pytest.MonkeyPatch, where: str, free: int) -> None:
    place = disk.parent
    report = (disk if where == "report" else place) / "report"
    report.mkdir()
    settings = local_settings(plant, report)
    settings = settings.model_copy(update={"home": (disk if where == "home" else place) / "home"})
    temporary = (disk if where == "temporary" else place) / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    fill(disk, free)
    run_while_full(settings)
    for file in report.rglob("*.parquet"):
        if not file.name.startswith("."):
            pl.read_parquet(file)
    (disk / "filler").unlink()
    result = inspect_night(settings, NIGHT)
    assert (result.found, result.state) == (FOUND, "complete")
    assert rows_of(settings).height == FOUND
    assert not list(temporary.iterdir())
