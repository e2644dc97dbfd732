"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from steelflow.cli.output import settings
from steelflow.config import EngineName, ExecutorKind, Settings

Model = Annotated[str | None, typer.Option("--model", help="Shipped name or ONNX file; see `steelflow models list`.")]
ExecutorOption = Annotated[
    ExecutorKind | None, typer.Option("--executor", help="Judge in this process, or on the nodes of a Ray cluster.")
]
Address = Annotated[str | None, typer.Option("--address", help="host:port of the Ray cluster's head.")]
EngineOption = Annotated[EngineName | None, typer.Option("--engine", help="Engine that runs the model.")]


def settings_with(executor: ExecutorKind | None, address: str | None) -> Settings:
    """The settings with what ``--executor`` and ``--address`` say."""
    return settings().with_executor(executor, address)
