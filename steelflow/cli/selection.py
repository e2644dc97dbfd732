"""``steelflow reproduce``, and ``steelflow models compare`` and ``table``."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from steelflow.cli.output import Json, emit, settings, state, stderr, stdout, stepping
from steelflow.cli.training import PrecisionOption, PretrainedOption, weights_of
from steelflow.errors import ConfigError

if TYPE_CHECKING:
    from steelflow.selection.session import Comparison
    from steelflow.training.state import Progress

Data = Annotated[Path, typer.Option("--data", help="Folder with one folder per class, or a manifest.")]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Epochs, instead of the recipe's.")]
Seeds = Annotated[str, typer.Option("--seeds", help="Each seed has its own split and initial weights.")]
Device = Annotated[str | None, typer.Option("--device", help="cpu or cuda; by default a GPU if there is one.")]

Models = Annotated[
    str | None,
    typer.Option(
        "--models",
        help="Shipped names, ONNX files, and folders with one folder per seed, separated by commas. By default the "
        "shipped models.",
    ),
]
Trained = Annotated[
    str | None,
    typer.Option(
        "--train",
        help="Train these first, separated by commas: an architecture, or one with its size, such as effnet@128.",
    ),
]


def reproduce(  # long: most of it declares the options
    paper: Annotated[
        str,
        typer.Argument(help="The protocol: ssdc, lee, casi-70-30, casi-80-20, mobilesteelnet or kamel."),
    ],
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Folder for the results; runs in it are not repeated.")],
    arch: Annotated[str | None, typer.Option("--arch", help="Architecture; by default the paper's own.")] = None,
    seeds: Seeds = "0,1,2,3,4",
    epochs: Epochs = None,
    recipe: Annotated[
        Literal["paper", "ours"], typer.Option("--recipe", help="The paper's schedule and input size, or ours.")
    ] = "paper",
    per_class: Annotated[
        int | None,
        typer.Option("--per-class", min=1, help="Training images of each class, instead of the paper's share."),
    ] = None,
    pretrained: PretrainedOption = None,
    unlabelled: Annotated[
        float,
        typer.Option(
            "--unlabelled", help="Share of the test images that is shown without labels; the others are the test."
        ),
    ] = 0.0,
    device: Device = None,
    precision: PrecisionOption = "fp32",
    as_json: Json = False,
) -> None:
    """Repeat a paper's protocol on these images (its split and schedule) and compare our figure with the paper's.

    An interrupted run resumes when the same command is run again.
    """
    needs_training()
    from steelflow.selection.reproduce import reproduce as run

    with stepping(f"reproducing {paper}") as step:

        def watch(_: int, progress: Progress) -> None:
            step(progress.epoch, progress.epochs)

        found = run(
            paper,
            data,
            out,
            arch=arch,
            seeds=numbers(seeds),
            epochs=epochs,
            recipe=recipe,
            per_class=per_class,
            pretrained=weights_of(pretrained),
            unlabelled=unlabelled,
            device=device,
            precision=precision,
            command=command(),
            on_epoch=watch,
        )
    if as_json:
        emit(found, True, "")
        return
    stdout.print(f"{found['paper']['title']}; {found['split']}")
    stdout.print(_by_seed(found))
    stdout.print(_verdict(found))
    for caveat in found["caveats"]:
        stdout.print(f"- {caveat}")
    stdout.print(f"results: {found['file']}")


def _by_seed(found: dict[str, Any]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("seed", "trained on", "judged", "accuracy", "macro F1", "ECE", "epochs", "seconds"):
        table.add_column(heading, justify="right")
    for run in found["runs"]:
        table.add_row(
            str(run["seed"]),
            f"{run['trained_on']:,}",
            f"{run['images']:,}",
            f"{run['accuracy']:.2%}",
            f"{run['macro_f1']:.4f}",
            f"{run['ece']:.4f}",
            str(run["epochs"]),
            f"{run['seconds']:,.0f}",
        )
    return table


def _verdict(found: dict[str, Any]) -> str:
    paper, runs = found["paper"], found["runs"]
    what = {"accuracy": "accuracy", "macro_f1": "macro F1"}[paper["measure"]]
    spread = f" ± {found['interval_95']:.2%}" if found["interval_95"] is not None else ""
    return (
        f"{what}: {found['mean']:.2%}{spread} (mean of {len(runs)} seed{'s' if len(runs) > 1 else ''}"
        f"{', 95% interval' if spread else ''}; {runs[0]['images']:,} test images each) with {found['arch']}; "
        f"the paper: {paper['figure']:.2%} with {paper['arch']}"
    )


def compare(  # long: most of it declares the options
    data: Data,
    models: Models = None,
    train: Trained = None,
    seeds: Seeds = "0,1,2,3,4",
    epochs: Epochs = None,
    trained: Annotated[
        Path | None,
        typer.Option(
            "--trained", help="Folder for trained models; models in it are not trained again. By default below home."
        ),
    ] = None,
    results: Annotated[
        Path | None, typer.Option("--results", help="Folder for the figures and the picture. By default below home.")
    ] = None,
    held_out: Annotated[
        int, typer.Option("--held-out", min=0, help="The training seed of models without a record of it.")
    ] = 0,
    every_image: Annotated[
        bool,
        typer.Option(
            "--every-image", help="Evaluate those models on all images, if they were trained on other images."
        ),
    ] = False,
    rounds: Annotated[
        int, typer.Option("--rounds", min=0, help="Rounds of the speed measurement; 0: no measurement.")
    ] = 5,
    save: Annotated[bool, typer.Option("--save", help="Make the pick the default of `steelflow train`.")] = False,
    device: Device = None,
    precision: PrecisionOption = "fp32",
    as_json: Json = False,
) -> None:
    """Compare candidates side by side, and pick one by the rule of the settings (selection.rule).

    Accuracy, macro F1, ECE, robustness, parameters, FLOPs, file size, and images/s with the engine of nightly runs.
    """
    needs_training()
    from steelflow.selection.session import compare_and_choose, gather, save_pick

    current = settings()
    typed = command()
    with stepping("training") as step:
        found = gather(
            data,
            trained or current.home / "trained",
            models=names(models) if models is not None else None,
            train=names(train),
            seeds=numbers(seeds),
            epochs=epochs,
            device=device,
            precision=precision,
            command=typed,
            on_epoch=lambda _, progress: step(progress.epoch, progress.epochs),
        )
    comparison = compare_and_choose(
        found,
        data,
        current,
        results or current.home / "selection",
        held_out=None if every_image else held_out,
        rounds=rounds,
        command=typed,
        say=stderr.print,
    )
    saved = save_pick(comparison, state.config_file) if save else None
    if as_json:
        emit(comparison.to_dict() | ({"saved_to": str(saved)} if saved else {}), True, "")
    else:
        _tell(comparison, saved, _judged(every_image, held_out))


def _tell(comparison: Comparison, saved: Path | None, judged: str) -> None:
    stdout.print(_worth(comparison.models))
    stdout.print(_cost(comparison.models))
    for model in comparison.unknown_origin:
        stdout.print(f"{model} has no record of its training images; evaluated {judged}")
    for model in comparison.knew_the_images:
        stdout.print(f"{model} was trained on images that it was evaluated on; it is not picked")
    stdout.print(comparison.choice.reason)
    if saved:
        stdout.print(f'selection.arch = "{comparison.arch}" is now in {saved}')
    elif comparison.arch:
        stdout.print(f'to train it by default: --save, or [selection] arch = "{comparison.arch}" in steelflow.toml')
    picture = f"; picture: {comparison.picture}" if comparison.picture else ""
    stdout.print(f"results: {comparison.results}{picture}")


def table(
    results: Annotated[Path, typer.Option("--from", help="Folder with result files.")] = Path("docs/results"),
    out: Annotated[Path | None, typer.Option("--out", help="Markdown file; by default standard output.")] = None,
) -> None:
    """Write docs/models.md and its picture from the results of `steelflow models compare` and `steelflow reproduce`."""
    needs_training()
    from steelflow.selection.picture import draw_results
    from steelflow.selection.table import read_results, render

    found = read_results(results)
    text = render(found)
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text)
    stdout.print(f"written: {out}")
    if timed := [result for result in found if "speed" in result]:
        draw_results(timed, out.with_suffix(".png"))
        stdout.print(f"written: {out.with_suffix('.png')}")


def _worth(measured: list[dict[str, Any]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", overflow="fold")
    for heading in ("seeds", "accuracy", "macro F1", "ECE", "disturbed", "at worst"):
        table.add_column(heading, justify="right")
    for m in measured:
        table.add_row(
            m["model"],
            str(len(m["runs"])),
            f"{m['accuracy']:.2%}" + (f" ± {m['interval_95']:.2%}" if m["interval_95"] is not None else ""),
            f"{m['macro_f1']:.4f}",
            f"{m['ece']:.4f}",
            f"{m['robustness_mean']:.2%}",
            f"{m['robustness_worst']['accuracy']:.2%}",
        )
    return table


def _cost(measured: list[dict[str, Any]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", overflow="fold")
    for heading in ("parameters", "MFLOPs", "KiB", "infer/s", "images/s", "times SSDC at 200²"):
        table.add_column(heading, justify="right")
    for m in measured:
        speed = m.get("speed")
        table.add_row(
            m["model"],
            f"{m['parameters']:,}" if m["parameters"] is not None else "–",
            f"{m['flops'] / 1e6:,.1f}" if m["flops"] is not None else "–",
            f"{m['bytes'] / 1024:,.0f}",
            f"{speed['infer']:,.0f}" if speed else "–",
            f"{speed['end_to_end']:,.0f}" if speed else "–",
            f"{speed['end_to_end_ratio']:.3g}" if speed else "–",
        )
    return table


def _judged(every_image: bool, held_out: int) -> str:
    return "on all images" if every_image else f"on the images held out by seed {held_out}"


def names(text: str | None) -> list[str]:
    """Split at commas."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def needs_training() -> None:
    """Raises ``ConfigError`` if torch is not installed."""
    try:
        import steelflow.training.train  # noqa: F401
    except ImportError as exc:
        raise ConfigError(f"this needs {exc.name}; install it with `pip install 'steelflow[train]'`") from exc


def numbers(text: str) -> list[int]:
    """Seeds from text such as ``0,1,2``. Raises ``ConfigError`` for anything else."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 0 or len(set(found)) < len(found):
        raise ConfigError(f"--seeds {text!r}: give different whole numbers, separated by commas, such as 0,1,2")
    return found


def command() -> str:
    """The command line for the record. Absolute paths are shortened to their last part."""
    return shlex.join(["steelflow", *(re.sub(r"(^|=)/.*/([^/]+)/*$", r"\1…/\2", part) for part in sys.argv[1:])])
