"""``steelflow train`` and ``steelflow evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from steelflow.cli.inspection import EngineOption, with_model
from steelflow.cli.output import Json, emit, settings, stderr, stdout, stepping
from steelflow.errors import ConfigError
from steelflow.models import CATALOGUE
from steelflow.training.metrics import Evaluation

Data = Annotated[Path, typer.Option("--data", help="Folder with a folder per class.")]


def train(
    data: Data,
    arch: Annotated[str, typer.Option("--arch", help=f"Architecture: {', '.join(sorted(CATALOGUE))}.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the model, its figures and its card.")],
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", min=1, help="Passes; by the number of images when not given."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Decides split, weights, order and augmentation.")] = 0,
    as_json: Json = False,
) -> None:
    """Train a model on labelled images; a fifth of them is held out, and the figures are about that fifth."""
    try:
        from steelflow.training.train import train as run_train
    except ImportError as exc:
        raise ConfigError(f"training needs {exc.name}; install it with `pip install 'steelflow[train]'`") from exc

    with stepping(f"training {arch}") as tick:
        result = run_train(data, arch, out, epochs=epochs, seed=seed, on_epoch=lambda p: tick(p.epoch, p.epochs))
    figures = result.evaluation
    summary = {
        "model": str(result.onnx),
        "card": str(result.card),
        "arch": arch,
        "seed": seed,
        "trained_on": result.trained_on,
        "skipped": result.skipped,
        "seconds": round(result.seconds, 1),
        **figures.to_dict(),
    }
    text = (
        f"{figures.accuracy:.2%} of {figures.images:,} held-out images right (macro F1 {figures.macro_f1:.4f}, "
        f"ECE {figures.ece:.4f}), trained on {result.trained_on:,} in {result.seconds:.0f} s"
        f"{f'; {result.skipped} unreadable files skipped' if result.skipped else ''}\n"
        f"model: {result.onnx}\ncard: {result.card}"
    )
    emit(summary, as_json, text)


def evaluate(
    model: Annotated[str, typer.Option("--model", help="Shipped name or ONNX file; see `steelflow models list`.")],
    data: Data,
    engine: EngineOption = None,
    as_json: Json = False,
) -> None:
    """Accuracy, macro F1, ECE, the confusion matrix and figures per class, on a folder per class."""
    from steelflow.evaluate import evaluate_folder

    result = evaluate_folder(data, with_model(settings(), model, engine))
    if as_json:
        emit(result.to_dict(), True, "")
        return
    figures = result.figures
    stdout.print(
        f"{result.model} on {result.engine}: {figures.accuracy:.2%} of {figures.images:,} images right, "
        f"macro F1 {figures.macro_f1:.4f}, ECE {figures.ece:.4f}"
    )
    for skipped in result.skipped:
        stderr.print(f"skipped {skipped.path}: {skipped.failure}")
    stdout.print(_by_class(figures))
    stdout.print("decisions, by true class (rows, numbered as above)")
    stdout.print(_confusion(figures))


def _by_class(figures: Evaluation) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    table.add_column("class", overflow="fold")
    for heading in ("images", "precision", "recall", "F1", "AUC"):
        table.add_column(heading, justify="right")
    for number, one in enumerate(figures.classes, 1):
        values = (one.precision, one.recall, one.f1, one.auc)
        cells = ["–" if value is None else f"{value:.4f}" for value in values]
        table.add_row(str(number), one.name, f"{one.support:,}", *cells)
    return table


def _confusion(figures: Evaluation) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for number in range(1, len(figures.classes) + 1):
        table.add_column(str(number), justify="right")
    for number, decisions in enumerate(figures.confusion, 1):
        table.add_row(str(number), *(f"{count:,}" if count else "·" for count in decisions))
    return table
