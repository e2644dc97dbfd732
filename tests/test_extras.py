"""The command line starts where none of the extras is installed."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from paths import ROOT

START = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
import steelflow.cli.main

steelflow.cli.main.build()  # all commands
"""


def of_extras() -> set[str]:
    """The import names of the packages that an extra brings and the plain install does not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    plain = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    wanted = {
        canonicalize_name(Requirement(line).name)
        for extra, lines in project["optional-dependencies"].items()
        if extra not in ("all", "dev")
        for line in lines
    }
    return {
        name
        for name, owners in packages_distributions().items()
        if any(canonicalize_name(owner) in wanted - plain for owner in owners)
    }


def test_the_command_line_starts_without_the_extras() -> None:
    missing = of_extras()
    assert {"torch", "prefect", "streamlit", "defusedxml"} <= missing
    done = subprocess.run([sys.executable, "-c", START.format(missing=missing)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
