"""Our flows reach the process that runs them by their name, and are imported there. Prefect would send their code,
which loses the types of the parameters."""

from __future__ import annotations

import copyreg
from importlib import import_module
from typing import Any

from prefect import Flow


def send_by_name() -> None:
    """From now on, this process sends flows by name."""
    copyreg.pickle(Flow, _named)


def _named(flow: Flow[..., Any]) -> tuple[Any, tuple[str, str]]:
    return _imported, (flow.fn.__module__, flow.fn.__name__)


def _imported(module: str, name: str) -> Any:
    return getattr(import_module(module), name)
