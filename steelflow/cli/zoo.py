"""``steelflow zoo``: train and judge every architecture of the catalogue, in the background, over days if need be."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelflow.cli.output import Json, emit, state, stdout
from steelflow.cli.selection import Data, Device, Seeds, needs_training, numbers
from steelflow.cli.training import PrecisionOption
from steelflow.errors import ConfigError
from steelflow.models import architecture

if TYPE_CHECKING:
    from steelflow.selection.jobs import Job

app = typer.Typer(help="Train every architecture, by its paper's protocol and by ours: a queue that can be resumed.")

Out = Annotated[Path, typer.Option("--out", help="Folder of the queue: state/, trained/ and results/.")]

Pretrained = Annotated[
    list[str] | None,
    typer.Option(
        "--pretrained",
        metavar="ARCH=FILE",
        help="Weights from which the papers that fine-tune start, beside from scratch. May be repeated.",
    ),
]


@app.command()
def run(
    data: Data,
    out: Out,
    seeds: Seeds = "0,1,2",
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Jobs at a time; one for each core, on a GPU one, if not given."),
    ] = None,
    only: Annotated[
        str, typer.Option("--only", help="The jobs whose name contains this, such as casi_net or kamel.")
    ] = "",
    again: Annotated[bool, typer.Option("--again", help="Try the jobs that have failed once more.")] = False,
    pretrained: Pretrained = None,
    device: Device = None,
    precision: PrecisionOption = "auto",
) -> None:
    """Do all jobs that are not done, shortest first. Killed, it goes on where it was when it is started again."""
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
    """Where each job is, a line for each: waiting, epoch n of m, done with its accuracy, or why it failed."""
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
        f"{done} of {len(jobs)} jobs done, some {hours:.0f} hours of a core left; the queue "
        f"{'runs' if running else 'does not run'}"
    )
    answer = {name: {"state": one.state, "text": str(one)} for name, one in found.items()}
    emit({"jobs": answer, "running": running, "core_hours_left": round(hours, 1)}, as_json, "\n".join(lines))


def _jobs(seeds: str, device: str, pretrained: list[str] | None) -> list[Job]:
    """Raises ``ConfigError`` for weights that are not given as ARCH=FILE, or of a file that is not there."""
    from steelflow.selection.jobs import plan

    weights = {}
    for text in pretrained or ():
        arch, _, file = text.partition("=")
        if not Path(file).is_file():
            raise ConfigError(f"--pretrained {text!r}: write ARCH=FILE, with a file that exists")
        architecture(arch)
        weights[arch] = Path(file).absolute()
    return plan(numbers(seeds), small=device == "cpu", weights=weights)
