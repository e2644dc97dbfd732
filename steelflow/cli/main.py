"""``steelflow``: the commands. Here every error becomes one line and an exit code.

Exit codes: 0 success, 1 an error (see the message), 2 wrong usage.
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelflow import __version__
from steelflow.cli.commands import asked, register
from steelflow.cli.output import state
from steelflow.errors import SteelflowError
from steelflow.inspection.runtime import prepare

if TYPE_CHECKING:
    app: typer.Typer

_INTERRUPTED = 130


def _version(show: bool) -> None:
    if show:
        typer.echo(f"steelflow {__version__}")
        raise typer.Exit


def root(
    config_file: Annotated[
        Path | None, typer.Option("--config", help="Configuration file; ./steelflow.toml when not given.")
    ] = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    state.config_file = config_file


def build(only: str | None = None) -> typer.Typer:
    """The command line with all commands, or with ``only`` one of them."""
    made = typer.Typer(
        name="steelflow",
        help="Inspect archives of steel-surface images overnight: object storage in, Parquet defect reports out.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(root)
    register(made, only)
    return made


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """``app``: the command line with all commands, made when somebody asks for it."""
        if name != "app":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = build()
        return globals()[name]


def main() -> None:
    command = build(asked(sys.argv[1:]))
    prepare()
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # hide its retries: a final failure becomes an error of ours
    # A thread that returns from decoding waits at most this long for the GIL, instead of Python's 5 ms. The gain is
    # small: 0 to 3 %, within the noise of a shared machine.
    sys.setswitchinterval(0.0001)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # SIGINT is ignored under nohup
        signal.signal(signal.SIGINT, signal.default_int_handler)  # Polars' handler does not stop a waiting process
    try:
        command()
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
