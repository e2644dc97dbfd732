"""The cost of Prefect: run the nightly flow in a separate process and measure its time outside the library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from steelflow.config import Settings
from steelflow.errors import DataError

NIGHT = "2026-11-01"  # the date in the layout of ``sources``

_RUN = f"""
import datetime, json, sys
from flows.nightly import NightParameters, nightly
json.dump(nightly(NightParameters(date=datetime.date.fromisoformat("{NIGHT}"))), sys.stdout)
"""


def prefect_share(archive: Path, settings: Settings) -> float:
    """(flow − library) / flow, in wall time, for a night over ``archive``; without the start of Prefect's server."""
    with tempfile.TemporaryDirectory() as scratch:
        quiet = {"PREFECT_LOGGING_LEVEL": "ERROR", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
        environment = {
            **os.environ,
            **quiet,
            "PREFECT_HOME": f"{scratch}/prefect",
            "STEELFLOW_HOME": scratch,
            "STEELFLOW_ARCHIVE__URI": str(archive),
            "STEELFLOW_REPORT__URI": f"{scratch}/report",
            "STEELFLOW_MODEL__REF": settings.model.ref,
            "STEELFLOW_MODEL__ENGINE": settings.model.engine,
        }
        answer = subprocess.run(  # noqa: S603  our own module
            [sys.executable, "-c", _RUN], env=environment, capture_output=True, text=True, check=False
        )
        if answer.returncode:
            raise DataError(f"benchmark: the flow failed: {answer.stderr.strip()[-300:]}")
        result = json.loads(answer.stdout)
        return float((result["flow_seconds"] - result["library_seconds"]) / result["flow_seconds"])
