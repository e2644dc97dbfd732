"""``steelflow dashboard``: the dashboard alone, in the foreground; ``steelflow up`` starts it with the rest."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from steelflow.bench.around import stand_around
from steelflow.bench.year import YearSpec, write_year
from steelflow.cli.output import Json, counting, emit, settings, state
from steelflow.config import Settings, load_settings
from steelflow.errors import ConfigError, ServiceError
from steelflow.report.daily import daily, write_daily
from steelflow.service.environment import of_child
from steelflow.service.leftovers import end_orphans, marked
from steelflow.service.ports import listens
from steelflow.service.sessions import address, new_link
from steelflow.store import open_store
from steelflow.store.embedded import serving
from steelflow.store.private import OWNER_ONLY

_INSTALL = "pip install 'steelflow[dashboard]'"
_GRACE_SECONDS = 10.0


def dashboard(
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0: any free port. Default: dashboard.port."),
    ] = None,
    link: Annotated[
        bool, typer.Option("--link", help="Only print a new link for the dashboard that runs; a link works once.")
    ] = False,
) -> None:
    """Show the reports in a browser. The printed link opens it, once; --link prints another. Ctrl-C stops it."""
    current = settings()
    if link:
        typer.echo(_another(current))
        return
    _installed()
    number = current.dashboard.port if port is None else port
    environment = of_child("dashboard") | marked(current.home)
    end_orphans(current.home)
    if state.config_file is not None:
        environment["STEELFLOW_CONFIG"] = str(state.config_file.absolute())
    command = [sys.executable, "-m", "dashboard", "--server.port", str(number)]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # service managers send SIGTERM; treat it like Ctrl-C
    with serving(current):  # the dashboard joins this storage
        process = subprocess.Popen(command, env=environment, umask=OWNER_ONLY)  # noqa: S603  our own module
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
        raise ServiceError(f"the dashboard stopped unexpectedly ({code}); see the lines above")


def _another(current: Settings) -> str:
    """A new link for the dashboard that runs over this home."""
    url = address(current.home)
    if url is None or not listens(url):
        raise ServiceError("no dashboard runs with these settings; start one with `steelflow dashboard`")
    return new_link(current.home, url)


def dashboard_bench(
    out: Annotated[Path, typer.Option("--out", help="Folder for the year of reports; existing reports are reused.")],
    images: Annotated[int, typer.Option("--images", min=1, help="At most this many per line and night.")] = 30_000,
    nights: Annotated[int, typer.Option("--nights", min=1, max=3650)] = 365,
    as_json: Json = False,
) -> None:
    """Measure the server time of the dashboard's pages on a year of synthetic reports."""
    _installed()
    spec = YearSpec(images=images, nights=nights)
    report = out / "report"
    store = open_store(str(report), settings().store, create=True)
    started = time.perf_counter()
    if not report.exists():
        with counting("reports") as tell:
            write_year(store, spec, tell=tell)
        write_daily(store)
    made = time.perf_counter() - started
    config = out / "steelflow.toml"
    home, archive = json.dumps(str(out / "home")), json.dumps(str(out / "images"))
    stores = f"[archive]\nuri = {archive}\n[report]\nuri = {json.dumps(str(report))}\n"
    config.write_text(f"home = {home}\n{stores}[dashboard]\nguests = true\n")
    stand_around(load_settings(config), spec)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STEELFLOW_")}
    asked = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "dashboard.bench"],
        env=environment | {"STEELFLOW_CONFIG": str(config)},
        capture_output=True,
        text=True,
    )
    if asked.returncode:
        raise ServiceError(f"the pages could not be shown: {asked.stderr.strip().splitlines()[-1]}")
    told = json.loads(asked.stdout)
    rows = int(daily(store)["images"].sum())
    lines = [f"{rows:,} rows: {nights} nights of {len(spec.lines)} lines; {made:.0f} s to make", ""]
    lines.append(f"{'':<36} {'passed':>9} {'of a core':>11}")
    for what, seconds in told["seconds"].items():
        worked = told["cpu_seconds"].get(what)
        lines.append(f"{what:<36} {seconds:>7.3f} s" + ("" if worked is None else f" {worked:>9.3f} s"))
    lines.append(f"{'peak memory':<36} {told['peak_mib']:>5} MiB")
    emit({"rows": rows, "made_seconds": round(made, 1), **told}, as_json, "\n".join(lines))


def _installed() -> None:
    if importlib.util.find_spec("streamlit") is None or importlib.util.find_spec("dashboard") is None:
        raise ConfigError(f"the dashboard is not installed; {_INSTALL}")
