"""The systemd units: systemd knows every directive, and they may write where they must."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from steelflow.config import Settings

INFRA = Path(__file__).parents[2] / "infra"
UNITS = pytest.mark.parametrize("unit", sorted(INFRA.glob("*.service")), ids=lambda unit: unit.stem)


def directives(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


@UNITS
def test_systemd_knows_every_directive(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on this machine")
    copy = tmp_path / unit.name
    (command,) = directives(unit)["ExecStart"]
    copy.write_text(unit.read_text().replace(command, "/bin/true"))
    told = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert unit.stem not in told.stdout + told.stderr


@UNITS
def test_the_home_of_the_settings_can_be_written(unit: Path) -> None:
    found = directives(unit)
    (work,) = found["WorkingDirectory"]
    home = Path(work) / Settings().home
    assert any(home.is_relative_to(path) for path in found["ReadWritePaths"])
    assert any(Path(variable.partition("=")[2]).is_relative_to(work) for variable in found["Environment"])
