"""``steelflow models``: shipped models, architectures to train, registered versions."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from steelflow.cli import export, operating_point, registry, selection, strip
from steelflow.cli.begin import begin_command
from steelflow.cli.output import Json, emit, settings
from steelflow.config import Settings
from steelflow.engine import open_engine
from steelflow.models import CATALOGUE
from steelflow.models.shipped import SHIPPED
from steelflow.registry import model_file

app = typer.Typer(
    help="List, compare and export models; register, promote and roll back versions.", no_args_is_help=True
)


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """List the shipped models and the architectures that can be trained."""
    current = settings()
    shipped = [_described(name, current) for name in SHIPPED]
    lines = [f"{'name':<16} {'version':<8} {'input':<9} {'classes':<8} {'KiB':>5}  digest"]
    for model in shipped:
        spec = model["spec"]
        size = f"{spec['input_size']}×{spec['input_size']}"
        lines.append(
            f"{spec['name']:<16} {spec['version']:<8} {size:<9} {len(spec['classes']):<8} "
            f"{model['bytes'] / 1024:>5.0f}  {model['digest'][:12]}"
        )
    lines += ["", f"architectures to train: {', '.join(sorted(CATALOGUE))}"]
    emit({"models": shipped, "architectures": sorted(CATALOGUE)}, as_json, "\n".join(lines))


@app.command("show")
def show_model(
    ref: Annotated[str, typer.Argument(help="Shipped name, ONNX file, version of the registry, or `champion`.")],
    as_json: Json = False,
) -> None:
    """Show the spec, digest and card of a model."""
    model = _described(ref, settings())
    card = Path(model["file"]).with_suffix(".md")
    text = card.read_text() if card.is_file() else None
    spec = "\n".join(f"{key}: {value}" for key, value in model["spec"].items())
    emit({**model, "card": text}, as_json, f"{spec}\ndigest: {model['digest']}\nfile: {model['file']}\n\n{text or ''}")


app.command("begin")(begin_command)
app.command()(selection.compare)
app.command()(selection.table)
app.command()(strip.strip_figures)
app.command()(strip.strip_speed)
app.command()(export.export)
app.command("operating-point")(operating_point.operating_point)
app.command()(registry.register)
app.command()(registry.promote)
app.command()(registry.rollback)
app.command()(registry.log)
app.command()(registry.versions)


def _described(ref: str, current: Settings) -> dict[str, Any]:
    path = model_file(current.with_model(ref))
    spec = open_engine(path, "onnxruntime").spec
    content = path.read_bytes()
    return {
        "ref": ref,
        "file": str(path),
        "bytes": len(content),
        "digest": hashlib.sha256(content).hexdigest(),
        "spec": spec.model_dump(mode="json"),
        "default": ref == current.model.ref,
    }
