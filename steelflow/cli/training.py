"""``steelflow evaluate``, and the options that commands which train share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from steelflow.api.training import evaluate as run_evaluation
from steelflow.cli.options import EngineOption
from steelflow.cli.output import Json, counting, emit, settings, stderr, stdout
from steelflow.training.metrics import Evaluation

if TYPE_CHECKING:
    from steelflow.training.evaluate import Disturbed
    from steelflow.training.operating_point import AtPoint

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
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Format of the data: manifest, coco, label-studio, cvat, voc, masks or folders; found by content when not "
        "given.",
    ),
]
PicturesOption = Annotated[
    Path | None, typer.Option("--pictures", help="Folder of the pictures, if the annotations are elsewhere.")
]
GoodOption = Annotated[
    list[str] | None,
    typer.Option(
        "--good",
        help="Class that is not a defect. May be repeated. Default: classes named good, free, ok, normal, none or "
        "'no defect'.",
    ),
]
ScaleOption = Annotated[
    float | None, typer.Option("--mm-per-pixel", help="Millimetres per pixel along the strip, for alarms per length.")
]


def weights_of(pretrained: str | None) -> bool | Path:
    """The value of ``--pretrained``: True for torchvision's weights, the path of a file, or False."""
    return pretrained == "imagenet" or (Path(pretrained) if pretrained else False)


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
    if result.seen:
        stderr.print(f"{result.seen:,} of these images trained {result.model}: the figures say little about new images")
    for skipped in result.skipped:
        stderr.print(f"skipped {skipped.path}: {skipped.failure}")
    stdout.print(_by_class(figures))
    stdout.print("decisions, by true class (rows, numbered as above)")
    stdout.print(_confusion(figures))
    if result.at_point is not None:
        stdout.print(_at_point(result.at_point))
    if result.disturbed:
        name, accuracy = result.worst
        stdout.print(f"disturbed: mean accuracy {result.mean:.2%}, worst {accuracy:.2%} ({name})")
        stdout.print(_by_condition(result.disturbed))


def _at_point(found: AtPoint) -> str:
    """Good against defect, in words."""
    area = "" if found.auc is None else f"AUC of good against defect {found.auc:.4f}; "
    recall = "no defects" if found.recall is None else f"{found.recall:.1%} of the defective pictures found"
    classes = ", ".join(f"{name} {some} of {of}" for name, (some, of) in found.found.items())
    return (
        f"{area}at the operating point {found.operating_point:.4f}: {recall}{f' ({classes})' if classes else ''}, "
        f"{found.good_alarms} of {found.good_pictures} good pictures with a false alarm"
    )


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
