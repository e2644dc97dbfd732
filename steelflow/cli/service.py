"""``steelflow up``: the service, in the foreground; and ``steelflow metrics``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from steelflow.cli.output import settings, state
from steelflow.metrics.figures import read_once
from steelflow.metrics.publish import write_textfile
from steelflow.metrics.text import check as check_metrics
from steelflow.metrics.text import written
from steelflow.service.ports import LOOPBACK, Address
from steelflow.service.run import Addresses, run
from steelflow.service.sessions import shown_link
from steelflow.store.embedded import serving

METRICS_PORT = 9464


def up(
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65535, help="Port of Prefect on 127.0.0.1; 0: any free port."),
    ] = 4200,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="[HOST:PORT]",
            help=f"Serve figures for Prometheus and /healthz, by default on 127.0.0.1:{METRICS_PORT}.",
        ),
    ] = None,
) -> None:
    """Run the service: embedded storage (if configured), Prefect's server and UI, the schedules and the dashboard."""
    current = settings()
    listen = None
    if metrics is not None:
        check_metrics()
        listen = Address.parsed(metrics, METRICS_PORT)

    def ready(at: Addresses) -> None:
        lines = [f"dashboard {shown_link(current.home.absolute(), at.dashboard, sys.stdout)}"] if at.dashboard else []
        lines.append(f"Prefect   {at.prefect} (its password is in {at.secret})")
        if at.storage:
            lines.append(f"storage   {at.storage} (S3; its keys are in {at.keys})")
        if at.metrics:
            lines.append(f"metrics   {at.metrics} (and /healthz)")
        asked = "on drift, " if current.retrain.on_drift else ""
        calendar = f", {current.retrain.cron}" if current.retrain.cron else ""
        lines += [
            f"nightly   {current.night.cron} ({current.night.timezone})",
            f"retrain   {asked}on {current.retrain.new_labels:,} new labels{calendar}",
            f"logs      {at.logs}/*.log",
            "Ctrl-C stops the service; interrupted runs resume at the next start.",
        ]
        typer.echo("\n".join(lines))

    run(current, port, state.config_file, ready, listen)


class OptionalValue(TyperCommand):
    """``--metrics`` without a value has its default address."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = list(args)
        for place, arg in enumerate(args):
            following = args[place + 1] if place + 1 < len(args) else "--"
            if arg == "--metrics" and following.startswith("-"):
                given.insert(given.index(arg) + 1, LOOPBACK)
        return super().parse_args(ctx, given)


def metrics(
    textfile: Annotated[
        Path | None, typer.Option("--textfile", help="Write them to this file, for node_exporter's textfile collector.")
    ] = None,
) -> None:
    """Print the figures for Prometheus once, read from storage."""
    check_metrics()
    with serving(settings()) as current:
        samples = read_once(current)
    if textfile is not None:
        write_textfile(textfile, samples)
    else:
        typer.echo(written(samples).decode(), nl=False)
