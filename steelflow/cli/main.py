"""``steelflow``: the commands. Here every error becomes one line and an exit code.

Exit codes: 0 success, 1 an error (see the message), 2 wrong usage.
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from steelflow import __version__
from steelflow.cli import (
    bench,
    coils,
    config,
    dashboard,
    data,
    demo,
    doctor,
    drift,
    inspection,
    labels,
    models,
    morning,
    nights,
    operations,
    plant,
    retrain,
    rolls,
    selection,
    service,
    simulate,
    train,
    training,
    zoo,
)
from steelflow.cli.output import state
from steelflow.errors import SteelflowError
from steelflow.inspection.runtime import prepare

app = typer.Typer(
    name="steelflow",
    help="Inspect archives of steel-surface images overnight: object storage in, Parquet defect reports out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


_INTERRUPTED = 130


def _version(show: bool) -> None:
    if show:
        typer.echo(f"steelflow {__version__}")
        raise typer.Exit


@app.callback()
def root(
    config_file: Annotated[
        Path | None, typer.Option("--config", help="Configuration file; ./steelflow.toml when not given.")
    ] = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    state.config_file = config_file


_NIGHT, _LOOP, _MODELS, _SERVICE, _TOOLS = "Night", "Loop", "Models", "Service", "Tools"  # the panels of the help

app.command(rich_help_panel=_NIGHT)(inspection.nightly)
app.command(rich_help_panel=_NIGHT)(inspection.infer)
app.command(rich_help_panel=_NIGHT)(operations.backfill)
app.command(rich_help_panel=_NIGHT)(rolls.rolls)
app.add_typer(nights.app, name="nights", rich_help_panel=_NIGHT)
app.add_typer(coils.app, name="coils", rich_help_panel=_NIGHT)
app.command(rich_help_panel=_NIGHT)(morning.report)
app.command(rich_help_panel=_LOOP)(drift.drift)
app.command(rich_help_panel=_LOOP)(drift.accept_drift)
app.add_typer(labels.app, name="labels", rich_help_panel=_LOOP)
app.command(rich_help_panel=_LOOP)(retrain.retrain)
app.add_typer(models.app, name="models", rich_help_panel=_MODELS)
app.add_typer(zoo.app, name="zoo", rich_help_panel=_MODELS)
app.command(rich_help_panel=_MODELS)(train.train)
app.command(rich_help_panel=_MODELS)(training.evaluate)
app.command(rich_help_panel=_MODELS)(selection.reproduce)
app.command(rich_help_panel=_SERVICE, cls=service.OptionalValue)(service.up)
app.command(rich_help_panel=_SERVICE)(service.metrics)
app.command("dashboard", rich_help_panel=_SERVICE)(dashboard.dashboard)
app.command(rich_help_panel=_SERVICE)(operations.housekeeping)
app.command(rich_help_panel=_SERVICE)(doctor.doctor)
app.add_typer(config.app, name="config", rich_help_panel=_SERVICE)
app.command(rich_help_panel=_TOOLS)(demo.demo)
app.command(rich_help_panel=_TOOLS)(data.synth)
app.command(rich_help_panel=_TOOLS)(plant.synth_strip)
app.command("simulate", rich_help_panel=_TOOLS)(simulate.simulate_month)
app.command(rich_help_panel=_TOOLS)(bench.bench)
app.command("bench-frames", rich_help_panel=_TOOLS)(bench.bench_frames)
app.command(rich_help_panel=_TOOLS)(drift.drift_bench)
app.command("dashboard-bench", rich_help_panel=_TOOLS)(dashboard.dashboard_bench)


def main() -> None:
    prepare()
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # hide its retries: a final failure becomes an error of ours
    # A thread that returns from decoding waits at most this long for the GIL, instead of Python's 5 ms. The gain is
    # small: 0 to 3 %, within the noise of a shared machine.
    sys.setswitchinterval(0.0001)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # SIGINT is ignored under nohup
        signal.signal(signal.SIGINT, signal.default_int_handler)  # Polars' handler does not stop a waiting process
    try:
        app()
    except SteelflowError as exc:
        if state.json_logs:
            logging.getLogger("steelflow").error("%s", exc)
        else:
            sys.stderr.write(f"steelflow: {_printable(str(exc))}\n")
        sys.exit(1)
    except SystemExit as exc:
        if exc.code != _INTERRUPTED:
            raise
        sys.stderr.write("steelflow: stopped; run the same command again to resume\n")
        sys.exit(1)


def _printable(text: str) -> str:
    """The text without control characters: file names in an archive may contain any character."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


if __name__ == "__main__":
    main()
