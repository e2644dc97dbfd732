"""The library leaves other libraries as they are; entry points set them up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

_STATE = """
import json, os, sys, warnings
import cv2, numpy, pyarrow
from threadpoolctl import threadpool_info

def state():
    return {
        "opencv": cv2.getNumThreads(),
        "blas": [*{one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}],
        "arrow": pyarrow.default_memory_pool().backend_name,
        "pillow": sum("PIL" in str(one) or "Bomb" in str(one) for one in warnings.filters),
        "variable": os.environ.get("OPENBLAS_NUM_THREADS"),
    }

before = state()
import steelflow.cli.main, steelflow.inspection.infer, steelflow.night.run, steelflow.retrain, steelflow.synth.month
steelflow.cli.main.build()
from steelflow.inspection.runtime import prepare
imported = state()
prepare()
print(json.dumps([before, imported, state()]))
"""


def states(**environment: str) -> list[dict[str, Any]]:
    """Before the import of the library, after it, and after ``prepare``."""
    own = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"} | environment
    done = subprocess.run([sys.executable, "-c", _STATE], env=own, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


def test_importing_changes_nothing_and_preparing_sets_everything() -> None:
    before, imported, prepared = states()
    assert imported == before
    assert prepared == {"opencv": 1, "blas": [1], "arrow": "system", "pillow": 2, "variable": "1"}


def test_the_threads_that_the_environment_names_stay() -> None:
    _, _, prepared = states(OPENBLAS_NUM_THREADS="2")
    assert (prepared["variable"], prepared["opencv"]) == ("2", 1)
    assert prepared["blas"] == [min(2, os.cpu_count() or 1)]


def test_python_looks_for_cycles_again_once_the_command_line_is_there() -> None:
    program = (
        "import atexit, gc, sys; from steelflow.cli.start import main; sys.argv = ['steelflow', '--version'];"
        "atexit.register(lambda: print(gc.isenabled(), gc.get_threshold()[0], gc.get_freeze_count() > 10_000)); main()"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "True 20000 True"
