"""``steelflow models export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelflow.cli.output import Json, emit, settings, stderr
from steelflow.errors import ConfigError
from steelflow.models.shipped import resolve

if TYPE_CHECKING:
    from steelflow.selection.faster import Faster, Row


def export(
    ref: Annotated[str, typer.Argument(help="Shipped name or ONNX file.")],
    data: Annotated[Path, typer.Option("--data", help="The training images: one folder per class, or a manifest.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the variants that are kept.")],
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="The training seed (decides the held-out part). Default: from the record."),
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds of the speed measurement.")] = 9,
    as_json: Json = False,
) -> None:
    """Make faster and smaller variants of a model (int8, bfloat16, float16 weights). Keep those that are as good."""
    try:
        from steelflow.selection.faster import export_faster
    except ImportError as exc:
        raise ConfigError(f"this needs {exc.name}; install it with `pip install 'steelflow[train]'`") from exc

    source = resolve(ref)
    with stderr.status("export") as status:
        result = export_faster(
            source, data, out, seed=seed, rounds=rounds, limits=settings().limits, say=lambda text: status.update(text)
        )
    text = (
        f"{result.held_out:,} held-out images (seed {result.seed}), {result.calibration:,} training images for "
        f"calibration; images/s of {result.cores} cores\n{_known(result)}\n{_table(result)}\n\n{_advice(result, ref)}"
    )
    emit({"model": ref, "out": str(out), **result.to_dict()}, as_json, text)


def _known(result: Faster) -> str:
    if not result.seen:
        return ""
    return f"{result.seen:,} of them trained the model: compare the variants, but expect less accuracy on new images\n"


def _table(result: Faster) -> str:
    figures = f"{'KiB':>6} {'accuracy':>9} {'change':>7} {'ECE':>7} {'images/s':>9} {'ratio':>6}"
    lines = [f"{'variant':<16} {'runs on':<20} {figures}  kept"]
    lines += [f"{row.variant:<16} {row.engine:<20} {_figures(row)}  {_verdict(row, result)}" for row in result.rows]
    return "\n".join(lines)


def _figures(row: Row) -> str:
    if row.bytes is None:
        return f"{'–':>6} {'–':>9} {'–':>7} {'–':>7} {'–':>9} {'–':>6}"
    return (
        f"{row.bytes / 1024:>6.0f} {row.accuracy:>9.2%} {100 * (row.change or 0.0):>+7.2f} {row.ece:>7.4f} "
        f"{row.images_per_second:>9,.0f} {row.ratio:>6.2f}"
    )


def _verdict(row: Row, result: Faster) -> str:
    if row.problem:
        return f"no: {row.problem}"
    if row.variant == "f32":
        return "reference"
    return "yes" if row.variant in result.kept else "no: not as good on another engine"


def _advice(result: Faster, ref: str) -> str:
    best = result.fastest
    model = result.kept.get(best.variant, ref)
    return f"fastest: --model {model} --engine {best.engine.split()[0]}, {best.ratio:.2f} times float32 on onnxruntime"
