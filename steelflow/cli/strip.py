"""``steelflow models strip-figures`` and ``strip-speed``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from steelflow.cli.output import Json, emit, stderr, stdout
from steelflow.cli.selection import command, names, needs_training, numbers


def strip_figures(
    data: Annotated[Path, typer.Option("--data", help="Annotated pictures, or the file of an export.")],
    out: Annotated[Path, typer.Option("--out", help="The result file (JSON).")],
    pictures: Annotated[
        Path | None, typer.Option("--pictures", help="Folder of the pictures, if the annotations are elsewhere.")
    ] = None,
    recipes: Annotated[
        str, typer.Option("--recipes", help="Models to train: strip_accurate, strip_disturbed, strip.")
    ] = "strip_accurate,strip",
    model: Annotated[
        str | None,
        typer.Option("--model", help="Train nothing: measure this model on all pictures, which it must not have seen."),
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", help="Each seed holds out other pictures.")] = "0,1,2",
    trained: Annotated[
        Path | None, typer.Option("--trained", help="Folder for trained models; models in it are not trained again.")
    ] = None,
    pretrained: Annotated[
        Path | None, typer.Option("--pretrained", help="MobileNetV2's weights for strip_accurate (.tflite, .pth).")
    ] = None,
    view: Annotated[int, typer.Option("--view", help="Side of the views in pixels.")] = 256,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Steps, instead of the recipe's.")] = None,
    by_name: Annotated[
        bool,
        typer.Option("--by-name", help="Split by names alone. Too good if one piece has pictures of many names."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure models of strip on held-out pictures: good against defective pictures and composed frames, pointing.

    The recall is at 5% of the good pictures (or frames) alarming.
    """
    needs_training()
    from steelflow.selection.strip_figures import measure_model, measure_recipes
    from steelflow.selection.strip_recipe import plans

    asked = numbers(seeds)
    if model is not None:
        found = measure_model(data, out, model, pictures=pictures, seed=asked[0], command=command())
    else:
        folder = trained or out.with_suffix("")
        wanted = {
            seed: plans(names(recipes), seed, folder / f"seed-{seed}", pretrained, view=view, steps=steps)
            for seed in asked
        }
        found = measure_recipes(
            data, out, wanted, folder, pictures=pictures, command=command(), say=stderr.print, by_name=by_name
        )
    if as_json:
        emit(found, True, "")
        return
    stdout.print(_table(found))
    stdout.print(f"results: {out}")


def _table(found: dict[str, Any]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("figure")
    for name in found["models"]:
        table.add_column(name, justify="right")
    figures = {figure for of in found["models"].values() for figure in of["summary"]}
    for figure in sorted(figures):
        cells = [of["summary"].get(figure) for of in found["models"].values()]
        table.add_row(figure.replace("_", " "), *("–" if one is None else f"{one['mean']:.4f}" for one in cells))
    return table


def strip_speed(
    out: Annotated[Path, typer.Option("--out", help="The result file (JSON).")],
    models: Annotated[str, typer.Option("--models", help="Shipped names and ONNX files, separated by commas.")] = (
        "strip,strip_accurate"
    ),
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds; the median counts.")] = 11,
    as_json: Json = False,
) -> None:
    """Measure megapixels a second on one thread, in turn with steelnet."""
    needs_training()
    from steelflow.selection.strip_speed import measure_speed

    found = measure_speed(names(models), rounds, out, command())
    lines = [
        f"{name:<16} {one['median_mpx_s']:>6.1f} Mpx/s, {one['times_steelnet']:.2f} × steelnet"
        for name, one in found["models"].items()
    ]
    emit(found, as_json, "\n".join([*lines, f"results: {out}"]))
