"""docs/api.md, the examples in the docstrings, and the scripts in docs/examples."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from paths import ROOT
from PIL import Image

import steelflow

EXAMPLES = ROOT / "docs" / "examples"
FUNCTIONS = [name for name in steelflow.__all__ if name[0].islower() and name != "errors"]
PLOTS = {"inspect_folder": "defects.png", "compare_weeks": "drift.png", "fine_tune": "fine-tuning.png"}


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory, photos: Path, weeks: Path) -> Path:
    """A folder with everything that the examples of the docstrings name."""
    folder = tmp_path_factory.mktemp("mill")
    shutil.copytree(photos, folder / "labelled")
    (folder / "photos").mkdir()
    for number, file in enumerate(sorted(photos.rglob("*.jpg")), 1):
        shutil.copy(file, folder / "photos" / f"{number:04}.jpg")
    for week in ("week-46", "week-47"):
        (folder / week).symlink_to(weeks / week)
    (folder / "steelflow.toml").write_text('[report]\nuri = "report"\n')
    steelflow.inspect(folder / "photos", out=folder / "report")
    return folder


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_of_a_docstring_runs(name: str, mill: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mill)
    _, found, example = (getattr(steelflow, name).__doc__ or "").partition("    Example:\n")
    assert found
    exec(dedent(example), {"steelflow": steelflow})


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_docstring_names_every_argument(name: str) -> None:
    function = getattr(steelflow, name)
    arguments = re.search(r"    Args:\n(.*?)\n\n", function.__doc__, re.DOTALL)
    assert arguments is not None
    named = re.findall(r"^        (\w+):", arguments[1], re.MULTILINE)
    assert named == [one for one in function.__annotations__ if one != "return"]


def test_the_page_of_the_api_is_up_to_date() -> None:
    ran = subprocess.run([sys.executable, "docs/api.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (ROOT / "docs" / "api.md").read_text() == ran.stdout, "run `make docs`"


def run(name: str, folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "MPLBACKEND": "agg", "MPLCONFIGDIR": str(folder / "matplotlib")}
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *arguments]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def drawn(folder: Path, name: str) -> bool:
    """Whether the script has left its picture, and there is something in it."""
    (found,) = folder.glob(f"example-*/{PLOTS[name]}")
    with Image.open(found) as picture:
        return picture.width > 1000 and len(picture.convert("L").getcolors() or []) > 50


def test_every_example_is_run_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(PLOTS)


@pytest.mark.slow  # generates images, and loads matplotlib
def test_an_example_inspects_a_folder(tmp_path: Path, photos: Path) -> None:
    assert "182 images, 2 unreadable" in run("inspect_folder", tmp_path)
    assert drawn(tmp_path, "inspect_folder")
    assert "18 images, 0 unreadable" in run("inspect_folder", tmp_path, str(photos))


@pytest.mark.slow  # generates a thousand images, and loads matplotlib
def test_an_example_compares_two_weeks(tmp_path: Path, mill: Path) -> None:
    told = run("compare_weeks", tmp_path)
    assert "verdict: alarm" in told
    assert "brightness" in told
    assert drawn(tmp_path, "compare_weeks")
    assert "verdict: alarm" in run("compare_weeks", tmp_path, str(mill / "week-46"), str(mill / "week-47"))


@pytest.mark.slow  # trains, and loads torch and matplotlib
def test_an_example_fine_tunes(tmp_path: Path) -> None:
    told = run("fine_tune", tmp_path)
    before, after = (float(re.search(rf"{what}: ([\d.]+)%", told)[1]) for what in ("as shipped", "fine-tuned"))  # type: ignore[index]
    assert after > before + 5
    assert drawn(tmp_path, "fine_tune")
