"""What surrounds the code: each fact stands once, and what repeats it agrees."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib

import yaml
from paths import ROOT


def test_the_hooks_run_the_commands_of_make_lint() -> None:
    planned = subprocess.run(["make", "-n", "lint"], cwd=ROOT, capture_output=True, text=True, check=True)
    tools = [line for line in planned.stdout.splitlines() if re.match(r"\.venv/bin/(ruff|mypy)", line)]
    (hooks,) = (repo["hooks"] for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"])
    assert [hook["entry"] for hook in hooks] == tools != []


def test_every_target_of_make_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert targets is not None
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[0] for line in listed.splitlines()} == set(targets[1].split())


def test_the_version_stands_in_pyproject_and_heads_the_changelog() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    modules = [path for package in ("steelflow", "flows", "dashboard") for path in (ROOT / package).rglob("*.py")]
    assert [path for path in modules if f'"{version}"' in path.read_text()] == []
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == ["Unreleased", version]


def test_the_workflow_runs_what_ci_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step] == [".ci/run"]
    assert "make test-slow" in (ROOT / ".ci" / "run").read_text()
    assert json.dumps(workflow["jobs"]["test"]["steps"]).count('"3.11"') == 1
