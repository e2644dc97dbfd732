"""``steelflow up``: the service, in the foreground."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from steelflow.cli.output import settings, state
from steelflow.service.run import Addresses, run
from steelflow.service.sessions import shown_link


def up(
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65535, help="Port of Prefect on 127.0.0.1; 0: any free port."),
    ] = 4200,
) -> None:
    """Run the service: embedded storage (if configured), Prefect's server and UI, the schedules and the dashboard."""
    current = settings()

    def ready(at: Addresses) -> None:
        lines = [f"dashboard {shown_link(current.home.absolute(), at.dashboard, sys.stdout)}"] if at.dashboard else []
        lines.append(f"Prefect   {at.prefect} (its password is in {at.secret})")
        if at.storage:
            lines.append(f"storage   {at.storage} (S3; its keys are in {at.keys})")
        asked = "on drift, " if current.retrain.on_drift else ""
        calendar = f", {current.retrain.cron}" if current.retrain.cron else ""
        lines += [
            f"nightly   {current.night.cron} ({current.night.timezone})",
            f"retrain   {asked}on {current.retrain.new_labels:,} new labels{calendar}",
            f"logs      {at.logs}/*.log",
            "Ctrl-C stops the service; interrupted runs resume at the next start.",
        ]
        typer.echo("\n".join(lines))

    run(current, port, state.config_file, ready)
