"""The provenance of a result: command, commit of the code, versions and machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from steelflow.inspection.tuned import cpu

_PACKAGE = Path(__file__).parents[1]


def provenance(command: str) -> dict[str, Any]:
    """The provenance record. ``commit`` is absent if the code is not in a git repository, or git is missing."""
    found: dict[str, Any] = {"command": command}
    if commit := code_commit():
        found["commit"] = commit
    packages = ("steelflow", "torch", "numpy", "onnxruntime")
    return found | {
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "machine": machine(),
    }


def machine() -> str:
    """The number of cores and the CPU, such as "2 cores of AMD EPYC"."""
    return f"{len(os.sched_getaffinity(0))} cores of {cpu()}"


def code_commit() -> str | None:
    """The commit of steelflow's own code, with "+changes" if files have changed since."""
    if not _git("ls-files", "."):
        return None  # the repository around an installed package is another project's
    commit = _git("rev-parse", "HEAD")
    return f"{commit}+changes" if commit and _git("status", "--porcelain", ".") else commit


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Write JSON atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    partial.replace(path)


def _git(*arguments: str) -> str | None:
    try:
        answer = subprocess.run(  # noqa: S603
            ["git", "-C", str(_PACKAGE), *arguments],  # noqa: S607  wherever it is installed
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip() or None
