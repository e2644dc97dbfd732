"""``steelflow train`` and ``steelflow evaluate``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table

from steelflow.api.training import evaluate as run_evaluation
from steelflow.api.training import train as run_training
from steelflow.cli.inspection import EngineOption
from steelflow.cli.output import Json, counting, emit, settings, stderr, stdout
from steelflow.labels import LabelStore, open_labels
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
        "--data", help="Folder with one folder per class, or a manifest: CSV or Parquet with columns path and label."
    ),
]

PrecisionOption = Annotated[
    Literal["fp32", "bf16", "auto"],
    typer.Option("--precision", help="Precision of training: float32, bfloat16, or the faster one for this network."),
]
PretrainedOption = Annotated[
    str | None,
    typer.Option(
        "--pretrained",
        metavar="imagenet|FILE",
        help="Fine-tune these weights in two phases: torchvision's ImageNet weights, or a file with a torchvision "
        "state dict (.pth, .safetensors) or a TFLite classifier.",
    ),
]


def weights_of(pretrained: str | None) -> bool | Path:
    """The value of ``--pretrained``: True for torchvision's weights, the path of a file, or False."""
    return pretrained == "imagenet" or (Path(pretrained) if pretrained else False)


def train(  # long: most of it declares the options
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            help="Folder with one folder per class; a manifest (CSV or Parquet with columns path and label); or "
            "`labels` for the label store.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the model, its figures and its card.")],
    arch: Annotated[
        str | None,
        typer.Option(
            "--arch",
            help=f"Architecture: {', '.join(sorted(CATALOGUE))}; by default selection.arch of the settings.",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", min=1, help="Epochs; by default from the number of images."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of split, weights, order and augmentation.")] = 0,
    input_size: Annotated[
        int | None,
        typer.Option(
            "--input-size", help="Side in pixels; images are resized to this square. Default: the architecture's size."
        ),
    ] = None,
    pretrained: PretrainedOption = None,
    start: Annotated[
        str | None,
        typer.Option("--start", help="Fine-tune this model: shipped name, or ONNX file with its .safetensors file."),
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option("--teacher", help="Also learn from this model: shipped name or ONNX file. May be repeated."),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="Highest rate; lower it if the loss is no longer finite.")
    ] = None,
    mixup: Annotated[
        float | None,
        typer.Option("--mixup", help="Mix images in pairs (mixup): α of the Beta distribution, such as 0.2."),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option("--patience", help="Stop after this many epochs without progress on a tenth kept for validation."),
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu or cuda; by default a GPU if there is one.")
    ] = None,
    precision: PrecisionOption = "fp32",
    as_json: Json = False,
) -> None:
    """Train a model on labelled images. A fifth of the images is held out; the figures are for this fifth.

    An interrupted training resumes when the same command is run again.
    """
    arch = arch or settings().selection.arch
    with _labelled(data) as given, _watching(f"training {arch}") as watch:
        result = run_training(
            given,
            out=out,
            arch=arch,
            epochs=epochs,
            seed=seed,
            input_size=input_size,
            pretrained=weights_of(pretrained),
            start=start,
            teachers=teacher or (),
            learning_rate=learning_rate,
            mixup=mixup,
            patience=patience,
            device=device,
            precision=precision,
            progress=watch,
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
        "precision": result.precision,
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
            help="Use only the fifth held out by training with this seed; the model has seen the others.",
        ),
    ] = None,
    robustness: Annotated[
        bool,
        typer.Option("--robustness", help="Also evaluate with worse light, noise, blur, compression, other views."),
    ] = False,
    engine: EngineOption = None,
    as_json: Json = False,
) -> None:
    """Evaluate a model on labelled images: accuracy, macro F1, ECE, confusion matrix and figures per class."""
    with counting("judging") as tick:
        result = run_evaluation(
            model,
            data,
            held_out=held_out,
            robustness=robustness,
            engine=engine,
            settings=settings(),
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
        stdout.print(f"disturbed: mean accuracy {result.mean:.2%}, worst {accuracy:.2%} ({name})")
        stdout.print(_by_condition(result.disturbed))


@contextmanager
def _labelled(data: Path) -> Iterator[Path | LabelStore]:
    """The folder or manifest ``data``; for ``labels``, the label store."""
    if data != _LABELS or data.exists():
        yield data
        return
    current = settings()
    with serving(current, current.labels_uri) as reached:
        yield open_labels(reached)


@contextmanager
def _watching(what: str) -> Iterator[Callable[[Progress], None]]:
    """A progress bar on stderr with epoch, loss and time left; removed at the end."""
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
