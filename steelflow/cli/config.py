"""``steelflow config show`` and ``steelflow doctor``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import typer

from steelflow.archive.template import KeyTemplate
from steelflow.cli.output import Json, emit, settings, stdout
from steelflow.config import Settings
from steelflow.engine import open_engine
from steelflow.engine.onnx import available_providers
from steelflow.errors import SteelflowError
from steelflow.registry import model_file
from steelflow.service.check import check_prefect
from steelflow.store import open_store
from steelflow.store.embedded import serving

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


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    ok: bool
    says: str


def doctor(as_json: Json = False) -> None:
    """Check storage, model, engine, GPU and Prefect, and say what to do about each failure."""
    current = settings()
    checks = [
        _check("archive", lambda: _storage(current, current.archive.uri)),
        _check("reports", lambda: _storage(current, current.report.uri)),
        _check("template", lambda: f"{KeyTemplate(current.archive.template).text}"),
        _check("model", lambda: _model(current)),
        _check(
            "engine",
            lambda: (
                f"onnxruntime offers {', '.join(n.removesuffix('ExecutionProvider') for n in available_providers())}"
            ),
        ),
        _check("gpu", _gpu),
        _prefect(current),
    ]
    result: dict[str, Any] = {
        "ok": all(check.ok for check in checks),
        "checks": {check.name: {"ok": check.ok, "says": check.says} for check in checks},
    }
    lines = [f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<9} {check.says}" for check in checks]
    emit(result, as_json, "\n".join(lines))
    if not result["ok"]:
        raise typer.Exit(1)


def _check(name: str, test: Callable[[], str]) -> Check:
    try:
        return Check(name, True, test())
    except SteelflowError as exc:
        return Check(name, False, str(exc))


def _storage(current: Settings, uri: str) -> str:
    with serving(current) as reached:
        store = open_store(uri, reached.store, create=uri == current.report.uri)
        first = next(store.folders(), None)
        embedded = " (embedded S3 server)" if reached.store != current.store else ""
        return f"{uri} answers{embedded}; {'holds ' + first + '/ …' if first else 'it is empty'}"


def _model(current: Settings) -> str:
    engine = open_engine(model_file(current), current.model.engine)
    spec = engine.spec
    return (
        f"{spec.name} {spec.version}, {len(spec.classes)} classes, {spec.input_size}×{spec.input_size}, "
        f"runs on {engine.name}"
    )


def _gpu() -> str:
    if any(name.startswith(("Tensorrt", "CUDA")) for name in available_providers()):
        return "onnxruntime can use CUDA"
    try:
        import torch
    except ImportError:
        return "not used; torch is not installed, inspection runs on the CPU"
    if torch.cuda.is_available():
        return (
            f"{torch.cuda.get_device_name(0)} through torch; `pip install onnxruntime-gpu` lets onnxruntime use it too"
        )
    return "not found; inspection runs on the CPU"


def _prefect(current: Settings) -> Check:
    ok, says = check_prefect(current)
    return Check("prefect", ok, says)
