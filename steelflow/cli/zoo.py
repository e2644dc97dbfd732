"""``steelflow zoo``: train and evaluate every architecture of the catalogue. This can take days."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelflow.cli.output import Json, emit, state, stdout
from steelflow.cli.selection import Data, Device, Seeds, command, needs_training, numbers
from steelflow.cli.training import PrecisionOption
from steelflow.errors import ConfigError
from steelflow.models import architecture

if TYPE_CHECKING:
    from steelflow.selection.jobs import Job

app = typer.Typer(help="Train every architecture with its paper's protocol and with ours. The queue can be resumed.")

Out = Annotated[Path, typer.Option("--out", help="Folder of the queue: state/, trained/ and results/.")]

Pretrained = Annotated[
    list[str] | None,
    typer.Option(
        "--pretrained",
        metavar="ARCH=FILE",
        help="Pretrained weights for papers that fine-tune; jobs from scratch run too. May be repeated.",
    ),
]


@app.command()
def run(
    data: Data,
    out: Out,
    seeds: Seeds = "0,1,2",
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Jobs at a time; by default one per core, or one on a GPU."),
    ] = None,
    only: Annotated[
        str, typer.Option("--only", help="Only jobs whose name contains this text, such as casi_net or kamel.")
    ] = "",
    again: Annotated[bool, typer.Option("--again", help="Retry failed jobs.")] = False,
    pretrained: Pretrained = None,
    device: Device = None,
    precision: PrecisionOption = "auto",
) -> None:
    """Run all unfinished jobs, shortest first. A killed queue resumes when it is started again."""
    needs_training()
    from steelflow.selection.work import do
    from steelflow.selection.zoo import run_queue
    from steelflow.training.method import best_device

    place = best_device(device).type
    jobs = [job for job in _jobs(seeds, place, pretrained) if only in job.name]
    work = partial(do, data=data.absolute(), device=place, precision=precision, config=state.config_file)
    workers = workers or (1 if place == "cuda" else len(os.sched_getaffinity(0)))
    found = run_queue(jobs, out, work, workers=workers, again=again, say=stdout.print)
    failed = sum(one.state == "failed" for one in found)
    stdout.print(f"{sum(one.state == 'done' for one in found)} jobs done, {failed} failed; results: {out / 'results'}")
    if failed:
        raise typer.Exit(1)


@app.command()
def status(
    out: Out,
    seeds: Seeds = "0,1,2",
    pretrained: Pretrained = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Show one line per job: waiting, epoch n of m, done with its accuracy, or the reason of the failure."""
    needs_training()
    from steelflow.selection.zoo import is_running
    from steelflow.selection.zoo import status as read
    from steelflow.training.method import best_device

    jobs = _jobs(seeds, best_device(device).type, pretrained)
    found = dict(zip((job.name for job in jobs), read(jobs, out), strict=True))
    hours = sum(job.hours for job in jobs if found[job.name].state != "done")
    running = is_running(out)
    done = sum(one.state == "done" for one in found.values())
    lines = [f"{name}: {one}" for name, one in found.items()]
    lines.append(
        f"{done} of {len(jobs)} jobs done, about {hours:.0f} core hours left; the queue "
        f"{'is running' if running else 'is not running'}"
    )
    answer = {name: {"state": one.state, "text": str(one)} for name, one in found.items()}
    emit({"jobs": answer, "running": running, "core_hours_left": round(hours, 1)}, as_json, "\n".join(lines))


@app.command()
def collect(
    out: Out,
    into: Annotated[Path, typer.Option("--into", help="Permanent folder.")] = Path("docs/results"),
) -> None:
    """Copy the results so far to a permanent folder. `steelflow models table` shows them."""
    from steelflow.selection.collect import collect as run

    written = run(out / "results", into)
    for path in written:
        stdout.print(f"written: {path}")
    stdout.print(f"{len(written)} files are new or have more results")


@app.command()
def precision(
    arch: Annotated[str, typer.Argument(help="Architecture of the catalogue.")],
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Folder for the result file.")] = Path("results"),
    seeds: Seeds = "0,1,2",
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Epochs of each training.")] = 40,
    device: Device = None,
) -> None:
    """Train ARCH in float32 and in bfloat16, and compare the accuracies."""
    needs_training()
    from steelflow.selection.precisions import check_precision

    found = check_precision(arch, data, out, numbers(seeds), epochs, device=device, command=command())
    emit({key: found[key] for key in ("mean", "difference", "interval_95", "hours")}, True, "")


@app.command()
def steps(out: Annotated[Path, typer.Option("--out", help="Folder for the result file.")] = Path("results")) -> None:
    """Time a training step of every architecture in float32 and in bfloat16."""
    needs_training()
    from steelflow.selection.precisions import time_steps

    stdout.print(f"written: {time_steps(out, stdout.print)}")


def _jobs(seeds: str, device: str, pretrained: list[str] | None) -> list[Job]:
    """Raises ``ConfigError`` for weights that are not given as ARCH=FILE, or if the file does not exist."""
    from steelflow.selection.jobs import plan

    weights = {}
    for text in pretrained or ():
        arch, _, file = text.partition("=")
        if not Path(file).is_file():
            raise ConfigError(f"--pretrained {text!r}: write ARCH=FILE, with an existing file")
        architecture(arch)
        weights[arch] = Path(file).absolute()
    return plan(numbers(seeds), small=device == "cpu", weights=weights)
