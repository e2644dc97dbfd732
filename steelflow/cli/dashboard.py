"""``steelflow dashboard``: the dashboard alone, in the foreground; ``steelflow up`` starts it with everything else."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from typing import Annotated

import typer

from steelflow.cli.output import settings, state
from steelflow.errors import ConfigError, ServiceError
from steelflow.store.embedded import serving

_INSTALL = "pip install 'steelflow[dashboard]'"
_GRACE_SECONDS = 10.0


def dashboard(
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="On 127.0.0.1; 0 takes a free one. dashboard.port by default."),
    ] = None,
) -> None:
    """Show the reports in a browser: http://127.0.0.1:8501. Ctrl-C stops it."""
    current = settings()
    app = importlib.util.find_spec("dashboard.app") if importlib.util.find_spec("dashboard") else None
    if importlib.util.find_spec("streamlit") is None or app is None or app.origin is None:
        raise ConfigError(f"the dashboard is not installed; {_INSTALL}")
    number = current.dashboard.port if port is None else port
    environment = dict(os.environ)
    if state.config_file is not None:
        environment["STEELFLOW_CONFIG"] = str(state.config_file.absolute())
    command = [sys.executable, "-m", "streamlit", "run", app.origin, "--server.port", str(number)]
    with serving(current):  # for as long as the dashboard runs: it joins the storage that we keep up
        process = subprocess.Popen(command, env=environment)  # noqa: S603  our own interpreter and module
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            return
    if code:
        raise ServiceError(f"the dashboard ended by itself ({code}); the lines above say why")
