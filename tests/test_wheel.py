"""The package as users get it: what is in it, and that it inspects without extras."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from paths import ROOT

from steelflow.models.shipped import SHIPPED

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PACKAGES = ("steelflow", "flows", "dashboard")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source archive and the wheel, made as ``make wheel`` makes them."""
    folder = tmp_path_factory.mktemp("built")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder / "probe", "hatchling"]
    probe = subprocess.run(pip, capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"needs a package index: {probe.stderr.strip().splitlines()[-1]}")
    build = [sys.executable, "-m", "build", "--outdir", folder / "dist", ROOT]
    made = subprocess.run(build, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    (wheel,) = (folder / "dist").glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def run(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a program of a fresh environment into which the wheel was installed, without extras."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder / "venv", symlinks=True, with_pip=True)
    bin_folder = folder / "venv" / "bin"
    subprocess.run([bin_folder / "python", "-m", "pip", "install", "--quiet", built[1]], check=True)
    (folder / "work").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("STEELFLOW_", "PYTHON"))}

    def call(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [bin_folder / program, *map(str, arguments)],
            cwd=folder / "work",
            env=environment | {"PATH": str(bin_folder)},
            capture_output=True,
            text=True,
        )

    return call


def test_the_wheel_holds_the_packages_the_weights_and_the_licence(built: tuple[Path, Path]) -> None:
    names = set(zipfile.ZipFile(built[1]).namelist())
    sources = {str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert sources <= names
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert {
        f"steelflow/weights/{name}.{kind}" for name in SHIPPED for kind in ("onnx", "safetensors", "md", "seen")
    } <= names
    assert "dashboard/.streamlit/config.toml" in names
    licences = {name.rpartition("/")[2] for name in names if ".dist-info/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE"}
    roots = {name.split("/")[0] for name in names}
    assert {root for root in roots if not root.endswith(".dist-info")} == set(PACKAGES)


def test_the_source_archive_can_be_tested_and_built_again(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "Makefile", "README.md", "LICENSE", "NOTICE", "tests/conftest.py"} <= names
    assert not {name.split("/")[0] for name in names} & {".venv", ".git", ".steelflow", ".demo", "dist"}


def test_without_extras_it_makes_images_and_inspects_a_tar(run: Run, tmp_path: Path) -> None:
    imported = run("python", "-c", "import steelflow; print(steelflow.__file__, steelflow.__version__)")
    file, version = imported.stdout.split()
    assert not Path(file).is_relative_to(ROOT)
    assert run("steelflow", "--version").stdout == f"steelflow {version}\n"
    small = ("--lines", 1, "--nights", 1, "--coils", 2, "--images", 20, "--broken", 0, "--labelled", 0)
    made = run("steelflow", "synth", tmp_path / "plant", *small, "--sharded", 1)
    assert made.returncode == 0, made.stderr
    shard = min((tmp_path / "plant" / "images").rglob("*.tar*"))
    answer = run("steelflow", "infer", shard, "--out", tmp_path / "report", "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["ok"] == 20
    assert pl.read_parquet(tmp_path / "report").filter(status="ok").height == 20


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("nightly", "--date", "2026-11-16"), "embedded"),
        (("train", "--data", ".", "--out", "model"), "train"),
        (("up",), "flows"),
        (("dashboard",), "dashboard"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_what_needs_an_extra_names_it(run: Run, arguments: tuple[str, ...], extra: str) -> None:
    answer = run("steelflow", *arguments)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.count("\n") == 1
    assert f"pip install 'steelflow[{extra}]'" in answer.stderr
