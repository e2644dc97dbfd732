"""The commands, by name and panel of the help. A module is imported when its command is asked for.

All of them together take half a second to import: more than a night of a thousand images.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

import typer


class _Entry(NamedTuple):
    """``attribute`` of ``module`` is a function, or the group ``app`` of several commands. ``reads`` is the class of
    the module that reads the arguments of a function, if not Typer's own."""

    panel: str
    name: str
    module: str
    attribute: str = "app"
    reads: str | None = None


_NIGHT, _LOOP, _MODELS, _SERVICE, _TOOLS = "Night", "Loop", "Models", "Service", "Tools"  # the panels of the help

COMMANDS = (
    _Entry(_NIGHT, "nightly", "nightly", "nightly"),
    _Entry(_NIGHT, "infer", "infer", "infer"),
    _Entry(_NIGHT, "backfill", "operations", "backfill"),
    _Entry(_NIGHT, "rolls", "rolls", "rolls"),
    _Entry(_NIGHT, "nights", "nights"),
    _Entry(_NIGHT, "coils", "coils"),
    _Entry(_NIGHT, "report", "morning", "report"),
    _Entry(_LOOP, "drift", "drift", "drift"),
    _Entry(_LOOP, "accept-drift", "drift", "accept_drift"),
    _Entry(_LOOP, "labels", "labels"),
    _Entry(_LOOP, "retrain", "retrain", "retrain"),
    _Entry(_MODELS, "models", "models"),
    _Entry(_MODELS, "zoo", "zoo"),
    _Entry(_MODELS, "train", "train", "train"),
    _Entry(_MODELS, "evaluate", "training", "evaluate"),
    _Entry(_MODELS, "reproduce", "selection", "reproduce"),
    _Entry(_SERVICE, "up", "service", "up", "OptionalValue"),
    _Entry(_SERVICE, "metrics", "service", "metrics"),
    _Entry(_SERVICE, "dashboard", "dashboard", "dashboard"),
    _Entry(_SERVICE, "housekeeping", "operations", "housekeeping"),
    _Entry(_SERVICE, "doctor", "doctor", "doctor"),
    _Entry(_SERVICE, "config", "config"),
    _Entry(_TOOLS, "demo", "demo", "demo"),
    _Entry(_TOOLS, "synth", "data", "synth"),
    _Entry(_TOOLS, "synth-strip", "plant", "synth_strip"),
    _Entry(_TOOLS, "simulate", "simulate", "simulate_month"),
    _Entry(_TOOLS, "bench", "bench", "bench"),
    _Entry(_TOOLS, "bench-frames", "bench", "bench_frames"),
    _Entry(_TOOLS, "drift-bench", "drift", "drift_bench"),
    _Entry(_TOOLS, "dashboard-bench", "dashboard", "dashboard_bench"),
)
"""In the order of the help."""


def asked(arguments: Sequence[str]) -> str | None:
    """The command that a command line names; None if all are needed: for the help, or for advice on a wrong name."""
    rest = list(arguments)
    while rest and rest[0].startswith("--config"):
        del rest[: 1 if "=" in rest[0] else 2]
    return rest[0] if rest and any(entry.name == rest[0] for entry in COMMANDS) else None


def register(app: typer.Typer, only: str | None = None) -> None:
    """Add the commands, or ``only`` one of them. Functions come before groups, as Typer's help has them."""
    for entry in COMMANDS:
        if only is not None and entry.name != only:
            continue
        module = import_module(f"steelflow.cli.{entry.module}")
        found = getattr(module, entry.attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=entry.name, rich_help_panel=entry.panel)
        else:
            reads = None if entry.reads is None else getattr(module, entry.reads)
            app.command(entry.name, cls=reads, rich_help_panel=entry.panel)(found)
