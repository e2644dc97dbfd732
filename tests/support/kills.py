"""A child process that is killed at a random moment of its work."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from paths import SUPPORT


def seconds_of(code: str, *arguments: object) -> float:
    """What the work takes when nobody disturbs it. The code prints ``ready`` before it begins."""
    with _started(code, arguments) as child:
        begun = time.monotonic()
        assert child.wait(240) == 0
        return time.monotonic() - begun


def kill(code: str, *arguments: object, within: float, seed: int) -> None:
    """SIGKILL, up to ``within`` seconds after the work began."""
    with _started(code, arguments) as child:
        time.sleep(random.Random(seed).uniform(0, within))
        child.send_signal(signal.SIGKILL)


def _started(code: str, arguments: tuple[object, ...]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    paths = os.pathsep.join((str(SUPPORT), str(Path(SUPPORT).parent / "retrain")))
    environment = os.environ | {"PYTHONPATH": paths, "PYTHONWARNINGS": "ignore"}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child
