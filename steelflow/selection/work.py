"""Run one job of the zoo: train, evaluate, and write its result file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from steelflow.config import load_settings
from steelflow.errors import ConfigError
from steelflow.selection.candidates import train_seeds
from steelflow.selection.compare import compare
from steelflow.selection.jobs import Job
from steelflow.selection.precisions import check_precision
from steelflow.selection.reproduce import reproduce
from steelflow.training.precision import Wanted

Tell = Callable[[int, int], None]
"""Called with the finished epochs and the total number."""


def do(
    job: Job,
    folder: Path,
    tell: Tell,
    *,
    data: Path,
    device: str | None = None,
    precision: Wanted = "auto",
    config: Path | None = None,
) -> float:
    """Run ``job``. Its state is below ``folder``, its result file in ``folder/results``. An interrupted job resumes.

    Returns:
        The mean accuracy (or the paper's measure) over the seeds of the job.

    Raises:
        SteelflowError: see ``train``, ``compare`` and ``reproduce``.
    """
    results, command = folder / "results", job.command(data, device, precision)
    if job.protocol == "precision":
        if job.epochs is None:
            raise ConfigError(f"{job.name}: a precision check needs a number of epochs")
        found = check_precision(
            job.arch, data, results, job.seeds, job.epochs, device=device, command=command, tell=tell
        )
        return float(found["mean"]["bf16"])
    if job.protocol == "ours":
        candidate = train_seeds(
            f"{job.arch}@{job.size}" if job.size else job.arch,
            data,
            job.seeds,
            folder / "trained",
            epochs=job.epochs,
            device=device,
            precision=precision,
            command=command,
            on_epoch=lambda _, progress: tell(progress.epoch, progress.epochs),
        )
        (record,) = compare([candidate], data, load_settings(config), results, rounds=0, command=command)
        values = [run["accuracy"] for run in record["runs"] if run["seed"] in job.seeds]
    else:
        record = reproduce(
            job.protocol,
            data,
            results,
            arch=job.arch,
            seeds=job.seeds,
            epochs=job.epochs,
            recipe=job.recipe,
            per_class=job.per_class,
            pretrained=Path(job.pretrained) if job.pretrained else False,
            device=device,
            precision=precision,
            command=command,
            on_epoch=lambda _, progress: tell(progress.epoch, progress.epochs),
        )
        values = [run[record["paper"]["measure"]] for run in record["runs"] if run["seed"] in job.seeds]
    return float(sum(values) / len(values))
