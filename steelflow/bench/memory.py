"""Peak memory of a process: ``python -m steelflow.bench.memory SOURCE DEST SETTINGS`` inspects and prints it in MiB.

SETTINGS are the sections ``model`` and ``frame`` in JSON. All other settings are the defaults.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from steelflow.config import Settings
from steelflow.errors import DataError
from steelflow.inspection.infer import inspect_source
from steelflow.inspection.runtime import prepare


def peak_mib(source: Path, settings: Settings) -> float:
    """Peak resident memory of a separate process that inspects ``source`` with the model and frames of ``settings``."""
    how = settings.model_dump_json(include={"model", "frame"})
    with tempfile.TemporaryDirectory() as dest:
        command = [sys.executable, "-m", "steelflow.bench.memory", str(source), dest, how]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own module
        if answer.returncode:
            raise DataError(f"benchmark: measuring memory failed: {answer.stderr.strip()[-300:]}")
        return float(answer.stdout)


def _peak_kib() -> int:
    """Peak of this program alone; the value of getrusage includes the parent process."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    prepare()
    inspect_source(sys.argv[1], sys.argv[2], Settings(**json.loads(sys.argv[3])))
    sys.stdout.write(str(_peak_kib() / 1024))
