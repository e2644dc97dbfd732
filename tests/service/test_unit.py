"""The systemd unit: systemd knows every directive, and the service may write where it must."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from steelflow.config import Settings

UNIT = Path(__file__).parents[2] / "infra" / "steelflow.service"


def directives() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_systemd_knows_every_directive(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on this machine")
    unit = tmp_path / UNIT.name
    (command,) = directives()["ExecStart"]
    unit.write_text(UNIT.read_text().replace(command, "/bin/true"))
    told = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert UNIT.stem not in told.stdout + told.stderr


def test_the_home_of_the_settings_can_be_written() -> None:
    found = directives()
    (work,) = found["WorkingDirectory"]
    home = Path(work) / Settings().home
    assert any(home.is_relative_to(path) for path in found["ReadWritePaths"])
    assert any(Path(variable.partition("=")[2]).is_relative_to(work) for variable in found["Environment"])
