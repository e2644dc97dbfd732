"""The lines of README for more than one machine, followed as they are written, with two nodes on this machine."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import free_port
from paths import ROOT
from plants import NIGHT, local_settings, rows_of

from steelflow.night.run import inspect_night
from steelflow.synth import PlantSpec, write_plant

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed"),
]

SPEC = PlantSpec(seed=7, lines=("L1", "L2"), start=NIGHT, nights=1, coils=4, images=30, broken=2)
HEADING = "### When one machine is not enough"


def lines() -> list[str]:
    """The commands, without the comments behind them."""
    text = (ROOT / "README.md").read_text().partition(HEADING)[2].partition("\n#")[0]
    return [line[4:].partition("  #")[0].strip() for line in text.splitlines() if line.startswith("    ")]


@pytest.fixture
def token() -> Iterator[str]:
    """A secret of the cluster. All processes that know it are ended."""
    value = secrets.token_hex(32)
    yield value
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if value.encode() in (folder / "environ").read_bytes():
                os.kill(int(folder.name), signal.SIGKILL)


def test_the_lines_work_as_they_are_written(tmp_path: Path, token: str) -> None:
    install, login, *start, night = lines()
    assert install == "pip install '.[ray]'"  # test_wheel.py tries the extras
    assert (len(start), night.split()[:2]) == (2, ["steelflow", "nightly"])

    def put(key: str, data: bytes) -> None:
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    write_plant(SPEC, put, per_class=1)
    report = tmp_path / "report"
    (tmp_path / "steelflow.toml").write_text(
        f'home = "{tmp_path / "home"}"\n[archive]\nuri = "{tmp_path / "images"}"\n[report]\nuri = "{report}"\n'
    )
    port = free_port()
    script = "\n".join([login.replace("…", token), *start, f"{night} --date {NIGHT}"])
    script = re.sub(r"driver:6379", f"127.0.0.1:{port}", script).replace("--port 6379", f"--port {port}")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "STEELFLOW_CONFIG": str(tmp_path / "steelflow.toml"),
        "STEELFLOW_EXECUTOR__CPUS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    log = tmp_path / "log"
    with log.open("wb") as out:  # not a pipe: Ray's processes would hold it
        done = subprocess.run(["bash", "-euc", script], env=environment, stdout=out, stderr=out, cwd=tmp_path)
    assert done.returncode == 0, log.read_text()
    alone = local_settings(tmp_path / "images", tmp_path / "alone")
    assert inspect_night(alone, NIGHT).state == "complete"
    there = alone.model_copy(update={"report": alone.report.model_copy(update={"uri": str(report)})})
    assert rows_of(there).equals(rows_of(alone))
    assert f"{rows_of(alone).height}" in log.read_text()
