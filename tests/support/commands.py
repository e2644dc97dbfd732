"""Commands called in this process, with their own configuration file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from steelflow.cli.output import state


def called(command: Callable[..., None], config: Path, *arguments: str) -> str:
    """The standard output of the command, which must succeed."""
    app = typer.Typer()
    app.command()(command)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state, "config_file", config)
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout
