"""``steelflow config show``."""

from __future__ import annotations

import json
from typing import Any

import typer

from steelflow.cli.output import Json, settings, stdout

app = typer.Typer(help="Show the settings in force.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Show the settings in force."""


@app.command()
def show(as_json: Json = False) -> None:
    """Print the settings from defaults, steelflow.toml and STEELFLOW_… variables. Secrets are masked."""
    current = settings()
    dumped = current.model_dump(mode="json")
    if current.frame is not None:  # of a line only what differs: the rest is as in [frame]
        dumped["frame"]["lines"] = {
            name: line.model_dump(mode="json", exclude_unset=True) for name, line in current.frame.lines.items()
        }
    dumped["limits"]["lines"] = {
        name: line.model_dump(mode="json", exclude_unset=True) for name, line in current.limits.lines.items()
    }
    if as_json:
        typer.echo(json.dumps(dumped))
        return
    stdout.print(f"home = {json.dumps(dumped.pop('home'))}")
    for section, values in dumped.items():
        stdout.print("\n".join(_section(section, values)))


def _section(name: str, values: Any) -> list[str]:
    """The lines of a section of settings in TOML: a table, several tables, or what is not set."""
    if values is None or values == []:
        return [f"\n# [{name}] not set"]
    if isinstance(values, list):
        return [line for one in values for line in (f"\n[[{name}]]", *_lines(one))]
    tables = {key: value for key, value in values.items() if isinstance(value, dict) and _nests(value)}
    plain = {key: value for key, value in values.items() if key not in tables}
    inner = [
        line
        for key, of in tables.items()
        for part, value in of.items()
        for line in _section(f"{name}.{key}.{part}", value)
    ]
    return [f"\n[{name}]", *_lines(plain), *inner]


def _nests(value: dict[str, Any]) -> bool:
    return any(isinstance(one, dict) for one in value.values())


def _lines(values: dict[str, Any]) -> list[str]:
    return [f"{name} = {_value(value)}" if value is not None else f"# {name} not set" for name, value in values.items()]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {_value(one)}" for name, one in value.items()) + "}"
    return json.dumps(value)
