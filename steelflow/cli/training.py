"""``steelflow train`` and ``steelflow evaluate``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table

from steelflow.cli.inspection import EngineOption, with_model
from steelflow.cli.output import Json, counting, emit, settings, stderr, stdout
from steelflow.errors import ConfigError
from steelflow.labels import open_labels
from steelflow.labels.export import as_folder
from steelflow.models import CATALOGUE
from steelflow.store.embedded import serving
from steelflow.training.metrics import Evaluation

if TYPE_CHECKING:
    from steelflow.training.evaluate import Disturbed
    from steelflow.training.state import Progress

_LABELS = Path("labels")

Data = Annotated[
    Path,
    typer.Option(
        "--data", help="Folder with a folder per class, or a manifest: CSV or Parquet with columns path and label."
    ),
]


def train(
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            help="Folder with a folder per class; a manifest, CSV or Parquet with columns path and label; or `labels`: "
            "what the label store holds.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the model, its figures and its card.")],
    arch: Annotated[
        str | None,
        typer.Option(
            "--arch",
            help=f"Architecture: {', '.join(sorted(CATALOGUE))}; selection.arch of the settings when not given.",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", min=1, help="Passes; by the number of images when not given."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Decides split, weights, order and augmentation.")] = 0,
    input_size: Annotated[
        int | None,
        typer.Option(
            "--input-size", help="Pixels; images are resized to that square. By the architecture if not given."
        ),
    ] = None,
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Start from ImageNet weights and fine-tune them in two phases.")
    ] = False,
    start: Annotated[
        str | None,
        typer.Option("--start", help="Fine-tune this model: shipped name or ONNX file with its safetensors beside."),
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option("--teacher", help="Learn from this model too: shipped name or ONNX file. May be repeated."),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="Highest rate; lower it if the loss breaks.")
    ] = None,
    mixup: Annotated[
        float | None,
        typer.Option("--mixup", help="Mix the images in pairs (mixup): α of the Beta distribution, such as 0.2."),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option("--patience", help="Stop after so many epochs without progress on a tenth put aside for this."),
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu or cuda; a GPU where there is one, if not given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a model on labelled images; a fifth of them is held out, and the figures are about that fifth.

    An interrupted training resumes when the same command is run again.
    """
    try:
        from steelflow.training.train import train as run_train
    except ImportError as exc:
        raise ConfigError(f"training needs {exc.name}; install it with `pip install 'steelflow[train]'`") from exc

    arch = arch or settings().selection.arch
    changes: dict[str, Any] = {"learning_rate": learning_rate, "mixup": mixup, "patience": patience}
    with _labelled(data) as folder, _watching(f"training {arch}") as watch:
        result = run_train(
            folder,
            arch,
            out,
            epochs=epochs,
            seed=seed,
            input_size=input_size,
            pretrained=pretrained,
            start=start,
            teachers=teacher or (),
            device=device,
            on_epoch=watch,
            **{name: value for name, value in changes.items() if value is not None},
        )
    for skipped in result.skipped:
        stderr.print(f"skipped {skipped.path}: {skipped.failure}")
    figures = result.evaluation
    summary = {
        "model": str(result.onnx),
        "card": str(result.card),
        "curves": str(result.curves),
        "arch": arch,
        "seed": seed,
        "trained_on": result.trained_on,
        "epochs": result.epochs,
        "resumed_after": result.resumed_after,
        "skipped": len(result.skipped),
        "seconds": round(result.seconds, 1),
        **figures.to_dict(),
    }
    text = (
        f"{figures.accuracy:.2%} of {figures.images:,} held-out images right (macro F1 {figures.macro_f1:.4f}, "
        f"ECE {figures.ece:.4f}), trained on {result.trained_on:,} in {result.seconds:.0f} s"
        f"{f' (resumed after epoch {result.resumed_after})' if result.resumed_after else ''}"
        f"{f'; {len(result.skipped)} unreadable files skipped' if result.skipped else ''}\n"
        f"model: {result.onnx}\ncard: {result.card}\nlearning curves: {result.curves}"
    )
    emit(summary, as_json, text)


def evaluate(
    model: Annotated[str, typer.Option("--model", help="Shipped name or ONNX file; see `steelflow models list`.")],
    data: Data,
    held_out: Annotated[
        int | None,
        typer.Option(
            "--held-out",
            min=0,
            help="Judge only the fifth that training with this seed held out: a model knows the others by heart.",
        ),
    ] = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Under worse light, noise, blur, compression and other views, too.")
    ] = False,
    engine: EngineOption = None,
    as_json: Json = False,
) -> None:
    """Accuracy, macro F1, ECE, the confusion matrix and figures per class, on labelled images."""
    from steelflow.training.evaluate import evaluate_folder
    from steelflow.training.robustness import CONDITIONS

    with counting("judging") as tick:
        result = evaluate_folder(
            data,
            with_model(settings(), model, engine),
            held_out=held_out,
            conditions=CONDITIONS if robustness else None,
            progress=tick,
        )
    if as_json:
        emit(result.to_dict(), True, "")
        return
    figures = result.figures
    which = "images" if held_out is None else f"images held out by seed {held_out}"
    stdout.print(
        f"{result.model} on {result.engine}: {figures.accuracy:.2%} of {figures.images:,} {which} right, "
        f"macro F1 {figures.macro_f1:.4f}, ECE {figures.ece:.4f}"
    )
    for skipped in result.skipped:
        stderr.print(f"skipped {skipped.path}: {skipped.failure}")
    stdout.print(_by_class(figures))
    stdout.print("decisions, by true class (rows, numbered as above)")
    stdout.print(_confusion(figures))
    if result.disturbed:
        name, accuracy = result.worst
        stdout.print(f"disturbed: {result.mean:.2%} right on average, {accuracy:.2%} at worst ({name})")
        stdout.print(_by_condition(result.disturbed))


@contextmanager
def _labelled(data: Path) -> Iterator[Path]:
    """The folder or manifest that was named; for ``labels``, a folder with what stands in the label store."""
    if data != _LABELS or data.exists():
        yield data
        return
    current = settings()
    with serving(current, current.labels_uri) as reached, as_folder(open_labels(reached)) as folder:
        yield folder


@contextmanager
def _watching(what: str) -> Iterator[Callable[[Progress], None]]:
    """A progress bar on stderr with epoch, loss and time left, gone when it is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[now]}"))
    with ProgressBar(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(what, total=None, now="")

        def show(p: Progress) -> None:
            left = dt.timedelta(seconds=round(p.seconds / p.epoch * (p.epochs - p.epoch)))
            now = f"epoch {p.epoch} of {p.epochs}, loss {p.loss:.3f}, {left} left"
            bar.update(task, completed=p.epoch, total=p.epochs, now=now)

        yield show


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


def _by_condition(disturbed: Mapping[str, Disturbed]) -> Table:
    from steelflow.training.robustness import CASI_NET

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("condition")
    for heading in ("accuracy", "macro F1", "CASI-Net's paper"):
        table.add_column(heading, justify="right")
    for name, found in disturbed.items():
        theirs = f"{CASI_NET[name]:.2%}" if name in CASI_NET else "–"
        table.add_row(name, f"{found.accuracy:.2%}", f"{found.macro_f1:.4f}", theirs)
    return table


def _confusion(figures: Evaluation) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for number in range(1, len(figures.classes) + 1):
        table.add_column(str(number), justify="right")
    for number, decisions in enumerate(figures.confusion, 1):
        table.add_row(str(number), *(f"{count:,}" if count else "·" for count in decisions))
    return table
