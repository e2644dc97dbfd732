"""Shared by all commands: the configuration, the output of results, and progress lines on stderr."""

from __future__ import annotations

import getpass
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from steelflow.config import Settings, load_settings
from steelflow.store.private import own_home
from steelflow.telemetry.logs import configure

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]

# No markup, so that a file name such as "[red]" is shown unchanged.
stdout = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
stderr = Console(stderr=True, highlight=False, markup=False, emoji=False)


@dataclass
class _State:
    config_file: Path | None = None
    json_logs: bool = False


state = _State()


def settings() -> Settings:
    """The settings. A ``home`` that an earlier version left readable by others is closed."""
    found = load_settings(state.config_file)
    state.json_logs = configure(found)
    if found.home.is_dir():
        own_home(found.home)
    return found


def user(who: str | None = None) -> str:
    """``who``, or the name of the user who runs the command."""
    try:
        return who or getpass.getuser()
    except (ImportError, KeyError, OSError):  # in a container the user may have no name
        return f"uid {os.getuid()}"


def emit(result: dict[str, Any], as_json: bool, text: str) -> None:
    """Print the result of a command: JSON for programs, text for people."""
    if as_json:
        typer.echo(json.dumps(result, default=str))
    else:
        stdout.print(text)


def complain(text: str) -> None:
    """Say on standard error what is wrong: as a line of the log, if logs are JSON."""
    if state.json_logs:
        logging.getLogger("steelflow").warning("%s", text)
    else:
        typer.echo(f"steelflow: {text}", err=True)


class Counter(Protocol):
    def __call__(self, images: int) -> None: ...


class Steps(Protocol):
    def __call__(self, completed: int, total: int | None = None) -> None: ...


@contextmanager
def counting(what: str) -> Iterator[Counter]:
    """A progress line with a running count of images on stderr; removed at the end."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:,} images"))
    with Progress(
        *columns, TimeElapsedColumn(), console=stderr, transient=True, disable=not stderr.is_terminal
    ) as progress:
        task = progress.add_task(what, total=None)
        yield lambda images: progress.advance(task, images)


class Follower(Protocol):
    def __call__(self, text: str, share: float) -> None: ...


@contextmanager
def following(what: str) -> Iterator[Follower]:
    """A progress bar with a text on stderr; removed at the end. Call it with the text and the share, from 0 to 1."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[told]}"))
    with Progress(
        *columns, TimeElapsedColumn(), console=stderr, transient=True, disable=not stderr.is_terminal
    ) as progress:
        task = progress.add_task(what, total=1.0, told="")
        yield lambda text, share: progress.update(task, completed=share, told=text)


@contextmanager
def stepping(what: str) -> Iterator[Steps]:
    """A progress bar on stderr; removed at the end. Call it with the finished steps and the total number."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}"), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        task = progress.add_task(what, total=None)

        def show(completed: int, total: int | None = None) -> None:
            progress.update(task, completed=completed, total=total)

        yield show
