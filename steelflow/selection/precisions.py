"""Check whether a network learns as well in bfloat16 as in float32, and measure which networks are faster with it.

    steelflow zoo precision ARCH --data DIR --seeds 0,1,2 --epochs 40 --out FOLDER
    steelflow zoo steps --out FOLDER

In the check, a seed has the same split, initial weights, order and augmentation in both precisions. The accuracies are
compared in pairs.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

from steelflow.errors import DataError
from steelflow.models import CATALOGUE, architecture
from steelflow.selection.interval import half_width
from steelflow.selection.provenance import code_commit, machine, provenance, write_result
from steelflow.training.checkpoint import Checkpoint
from steelflow.training.data import load_images
from steelflow.training.method import Callbacks, Method, best_device
from steelflow.training.precision import Precision
from steelflow.training.recipe import Recipe
from steelflow.training.steps import IMAGES, measure_steps
from steelflow.training.trained import Trained, train_in_memory

PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def check_precision(  # long: a third of it documents the arguments
    arch: str,
    data_dir: Path,
    out_dir: Path,
    seeds: Sequence[int],
    epochs: int,
    *,
    size: int | None = None,
    device: str | None = None,
    command: str = "",
    tell: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, Any]:
    """Train ``arch`` in both precisions for each seed, and write the figures to ``out_dir/precision-<arch>.json``.

    The file is written after every training. Trainings in the file are not repeated; an interrupted training resumes.

    Args:
        size: of the pictures, in pixels; the catalogue's size when not given.
        tell: called with the finished epochs and the total number, over all trainings.

    Raises:
        DataError: the images cannot be used, or the file holds results of other settings.
        ModelError, TrainingError: see ``training.train.train``.
    """
    entry, place = architecture(arch), best_device(device)
    data = load_images(data_dir, size or entry.input_size)
    usual = Recipe() if entry.learning_rate is None else Recipe(learning_rate=entry.learning_rate)
    recipe = replace(usual, epochs=epochs)
    setting = {
        "kind": "precision",
        "arch": arch,
        "input_size": data.images.shape[-1],
        "data_hash": data.hash,
        "recipe": asdict(recipe),
    }
    path = out_dir / f"precision-{arch}.json"
    runs = _runs_of(path, setting)
    pairs = [(seed, precision) for seed in seeds for precision in PRECISIONS]
    for number, (seed, precision) in enumerate(pairs):
        if any((run["seed"], run["precision"]) == (seed, precision) for run in runs):
            continue
        checkpoint = Checkpoint(
            out_dir / f"{path.stem}-{precision}-{seed}.checkpoint.safetensors",
            {**setting, "seed": seed, "precision": precision},
        )
        started = time.perf_counter()
        trained = train_in_memory(
            data,
            arch,
            recipe,
            seed,
            method=Method(device=place, precision=precision),
            callbacks=Callbacks(
                checkpoint=checkpoint,
                on_epoch=lambda p, before=number * epochs: tell(before + p.epoch, len(pairs) * epochs),  # type: ignore[misc]
            ),
        )
        seconds = time.perf_counter() - started + trained.history.seconds_before
        runs.append(_run(seed, precision, trained, seconds))
        write_result(path, setting | _summary(runs) | provenance(command))
        checkpoint.remove()
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _run(seed: int, precision: Precision, trained: Trained, seconds: float) -> dict[str, Any]:
    figures = trained.evaluation
    return {
        "seed": seed,
        "precision": precision,
        "images": figures.images,
        "accuracy": figures.accuracy,
        "macro_f1": figures.macro_f1,
        "seconds": round(seconds, 1),
        "machine": machine(),
        "commit": code_commit(),
    }


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The means, and the mean of bf16 − fp32 over the seeds with half its 95 % interval."""
    by = {p: {run["seed"]: run for run in runs if run["precision"] == p} for p in PRECISIONS}
    gains = [by["bf16"][seed]["accuracy"] - by["fp32"][seed]["accuracy"] for seed in by["bf16"] if seed in by["fp32"]]
    means = {p: statistics.fmean(run["accuracy"] for run in found.values()) for p, found in by.items() if found}
    return {
        "runs": sorted(runs, key=lambda run: (run["seed"], run["precision"])),
        "mean": means,
        "difference": statistics.fmean(gains) if gains else None,
        "interval_95": half_width(gains),
        "hours": round(sum(run["seconds"] for run in runs) / 3600, 3),
    }


def _runs_of(path: Path, setting: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs in the file, if its settings are the same."""
    if not path.is_file():
        return []
    try:
        found = json.loads(path.read_text())
        same = all(found[key] == value for key, value in setting.items())
        runs: list[dict[str, Any]] = found["runs"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise DataError(f"{path}: cannot be read as results; delete it, or name another folder with --out") from exc
    if not same:
        raise DataError(f"{path}: has results of another recipe or other images; name another folder with --out")
    return runs


def time_steps(out_dir: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """Time a training step of every architecture at its own input size, in both precisions, on one thread.

    Returns the file ``out_dir/precision-steps.json``. Architectures in the file are not measured again.
    """
    path = out_dir / "precision-steps.json"
    found: dict[str, Any] = json.loads(path.read_text())["steps"] if path.is_file() else {}
    about = {"kind": "precision-steps", "images": IMAGES, "threads": 1}
    for arch, entry in CATALOGUE.items():
        if arch in found:
            continue
        seconds = measure_steps(arch, entry.input_size)
        found[arch] = {
            "input_size": entry.input_size,
            **{f"{precision}_ms": round(1000 * value, 2) for precision, value in seconds.items()},
            "bf16_over_fp32": round(seconds["bf16"] / seconds["fp32"], 3),
        }
        say(f"{arch}: {found[arch]}")
        write_result(path, about | {"steps": found} | provenance("steelflow zoo steps"))
    return path
