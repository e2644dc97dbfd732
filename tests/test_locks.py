"""The lock files: every version that is installed has its hashes, and comes from the public index."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from paths import ROOT

LOCK: dict[str, Any] = tomllib.loads((ROOT / "uv.lock").read_text())
FILES = sorted((ROOT / "locks").glob("*.txt"))
PINNED = re.compile(
    r"^([a-z0-9][a-z0-9.-]*)==([^ ;\\]+)((?: ;[^\\]*)?)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.M
)


def requirements(text: str) -> set[str]:
    """The names of a list of requirements of pyproject.toml, without extras and versions."""
    return set(re.findall(r'"([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?[^"]*"', text))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_requirement_has_a_version_of_the_lock_and_its_hashes(path: Any) -> None:
    text = path.read_text()
    hashes = {
        (package["name"], package["version"]): {
            file["hash"] for file in [*package.get("wheels", ()), *filter(None, [package.get("sdist")])]
        }
        for package in LOCK["package"]
        if "version" in package
    }
    found = PINNED.findall(text)
    assert len(found) == len(re.findall(r"^[a-z0-9]", text, re.M)), "a line that is not pinned"
    for name, version, _, told in found:
        assert set(re.findall(r"sha256:[0-9a-f]{64}", told)) == hashes[name, version]


def test_the_lock_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (own,) = (package for package in LOCK["package"] if package["name"] == project["name"])
    declared = {re.match(r"[A-Za-z0-9_.-]+", one)[0] for one in project["dependencies"]}  # type: ignore[index]
    assert {one["name"] for one in own["dependencies"]} == declared
    assert own["optional-dependencies"].keys() == project["optional-dependencies"].keys()


def test_all_files_are_those_of_the_public_index() -> None:
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text()))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}
    assert not [path.name for path in FILES if "://" in path.read_text() or "--index" in path.read_text()]
