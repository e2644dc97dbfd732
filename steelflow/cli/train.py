"""``steelflow train``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as ProgressBar

from steelflow.api.training import train as run_training
from steelflow.cli.operating_point import told_at
from steelflow.cli.output import Json, emit, settings, stderr
from steelflow.cli.training import (
    FormatOption,
    GoodOption,
    PicturesOption,
    PrecisionOption,
    PretrainedOption,
    ScaleOption,
    weights_of,
)
from steelflow.labels import LabelStore, open_labels
from steelflow.models import CATALOGUE
from steelflow.store.embedded import serving

if TYPE_CHECKING:
    from steelflow.training.annotated import AnnotatedResult
    from steelflow.training.state import Progress
    from steelflow.training.strip.fit import StripProgress
    from steelflow.training.train import TrainingResult

_LABELS = Path("labels")


def train(  # long: most of it declares the options
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            help="Class folders, with masks or without; Pascal VOC, COCO, CVAT or Label Studio files; a manifest (CSV "
            "or Parquet with columns path and label); or `labels` for the label store. See docs/data.md.",
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
    unlabelled: Annotated[
        Path | None,
        typer.Option(
            "--unlabelled", help="Folder of pictures without labels: learn what the teachers say about them, too."
        ),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="Highest rate; lower it if the loss is no longer finite.")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", min=1, help="Pictures, or views, of a step; fewer need less memory."),
    ] = None,
    mixup: Annotated[
        float | None,
        typer.Option("--mixup", help="Mix images in pairs (mixup): α of the Beta distribution, such as 0.2."),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option("--patience", help="Stop after this many epochs without progress on a tenth kept for validation."),
    ] = None,
    on_all: Annotated[
        bool,
        typer.Option(
            "--on-all", help="Train a second time, on all images, and write this model, with the figures of the first."
        ),
    ] = False,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu or cuda; by default a GPU if there is one.")
    ] = None,
    precision: PrecisionOption = "fp32",
    form: FormatOption = None,
    pictures: PicturesOption = None,
    good: GoodOption = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            "--group-by",
            metavar="REGEX",
            help="Pictures in whose path this finds the same text (its first group) are never split.",
        ),
    ] = None,
    false_alarms: Annotated[
        str | None,
        typer.Option(
            "--false-alarms",
            metavar="SHARE",
            help="Good views that may be above the operating point: 0.5% (default), or 2/100m with --mm-per-pixel.",
        ),
    ] = None,
    mm_per_pixel: ScaleOption = None,
    augment: Annotated[
        list[str] | None,
        typer.Option(
            "--augment", metavar="NAME=VALUE", help="Change a value of the augmentation, as blur=0.5. May be repeated."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a model on labelled pictures. A fifth of them is held out; the figures are for this fifth.

    Class folders of cut-out defects make a model of whole pictures. Data with good pictures, boxes or masks makes a
    model of views, for frames, with an operating point. An interrupted training resumes when the same command is run
    again.
    """
    with _labelled(data) as given, _watching("training") as watch:
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
            unlabelled=unlabelled,
            learning_rate=learning_rate,
            batch_size=batch_size,
            mixup=mixup,
            patience=patience,
            on_all=on_all,
            device=device,
            precision=precision,
            form=form,
            pictures=pictures,
            good=good or (),
            group_by=group_by,
            false_alarms=false_alarms,
            mm_per_pixel=mm_per_pixel,
            augment=_values(augment or ()),
            settings=settings(),
            progress=watch,
        )
    for skipped in result.skipped:
        stderr.print(f"skipped {skipped.path}: {skipped.failure}")
    from steelflow.training.annotated import AnnotatedResult  # here: torch takes seconds to load

    if isinstance(result, AnnotatedResult):
        _tell_views(result, seed, as_json)
    else:
        _tell_whole(result, seed, as_json)


def _tell_whole(result: TrainingResult, seed: int, as_json: bool) -> None:
    figures = result.evaluation
    summary = {
        "model": str(result.onnx),
        "card": str(result.card),
        "curves": str(result.curves),
        "arch": result.spec.arch,
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


def _tell_views(result: AnnotatedResult, seed: int, as_json: bool) -> None:
    summary = {
        "model": str(result.onnx),
        "card": str(result.card),
        "arch": result.spec.arch,
        "seed": seed,
        "trained_on": result.trained_on,
        "skipped": len(result.skipped),
        "seconds": round(result.seconds, 1),
        "good": list(result.spec.good),
        "view": result.spec.view,
        "false_alarms_asked": result.false_alarms,
        **result.at_point.to_dict(),
        "evaluation": result.evaluation.to_dict(),
    }
    lines = [
        f"trained on {result.trained_on:,} pictures in {result.seconds:.0f} s"
        f"{f'; {len(result.skipped)} skipped' if result.skipped else ''}; good: {', '.join(result.spec.good)}",
        "on held-out pictures:",
        *told_at(result.at_point, result.false_alarms),
        f"model: {result.onnx}",
        f"card: {result.card}",
    ]
    emit(summary, as_json, "\n".join(lines))


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
def _watching(what: str) -> Iterator[Callable[[Progress | StripProgress], None]]:
    """A progress bar on stderr with epoch or step, loss and time left; removed at the end."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[now]}"))
    with ProgressBar(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(what, total=None, now="")

        def show(p: Progress | StripProgress) -> None:
            from steelflow.training.state import Progress  # here: torch takes seconds to load

            word, done, total = ("epoch", p.epoch, p.epochs) if isinstance(p, Progress) else ("step", p.step, p.steps)
            left = dt.timedelta(seconds=round(p.seconds / done * (total - done)))
            now = f"{word} {done} of {total}, loss {p.loss:.3f}, {left} left"
            bar.update(task, completed=done, total=total, now=now)

        yield show


def _values(given: Sequence[str]) -> dict[str, object]:
    """``NAME=VALUE`` of --augment."""
    values: dict[str, object] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"--augment {text}: give NAME=VALUE, such as blur=0.5")
        values[name.strip()] = value
    return values
