"""Children of a killed service or dashboard are ended by the next start; those of a living one are not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from steelflow.service.leftovers import end_orphans, marked

SLEEP = "import sys, time; print('up', flush=True); time.sleep(600)"
PARENT = f"""
import os, subprocess, sys
from pathlib import Path
from steelflow.service.leftovers import marked
command = [sys.executable, "-c", {SLEEP!r}]
child = subprocess.Popen(command, env=dict(os.environ) | marked(Path(sys.argv[1])), stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(child.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def orphan(home: Path) -> int:
    """A process whose parent was killed."""
    told = subprocess.run([sys.executable, "-c", PARENT, str(home)], stdout=subprocess.PIPE, text=True, check=False)
    return int(told.stdout)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_child_of_a_killed_process_is_ended_once(tmp_path: Path) -> None:
    pid = orphan(tmp_path / "home")
    assert runs(pid)
    assert end_orphans(tmp_path / "another") == 0
    assert runs(pid)
    assert end_orphans(tmp_path / "home") == 1
    assert not runs(pid)
    assert end_orphans(tmp_path / "home") == 0


def test_the_child_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SLEEP], env=marked(tmp_path), stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert end_orphans(tmp_path) == 0
        assert runs(child.pid)
        child.kill()
