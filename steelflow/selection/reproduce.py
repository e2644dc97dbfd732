"""Run a paper's protocol with several seeds and write our figure, the paper's figure and every run to one file."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from steelflow.errors import ConfigError, DataError
from steelflow.models import architecture
from steelflow.models.weights_file import origin_of
from steelflow.selection.interval import half_width
from steelflow.selection.protocols import Parts, Protocol, protocol
from steelflow.selection.provenance import code_commit, machine, provenance, write_result
from steelflow.selection.unlabelled import TEACHERS, divided, taught, teachers
from steelflow.training.checkpoint import Checkpoint
from steelflow.training.data import Indices, load_images
from steelflow.training.method import Callbacks, Method, best_device
from steelflow.training.precision import Wanted, checked
from steelflow.training.recipe import Recipe
from steelflow.training.state import Progress
from steelflow.training.train import suited_epochs
from steelflow.training.trained import Trained, train_in_memory
from steelflow.training.transfer import Phases

SEEDS = (0, 1, 2, 3, 4)

RecipeName = Literal["paper", "ours"]


def reproduce(  # long: half of it documents the arguments
    name: str,
    data_dir: Path,
    out_dir: Path,
    *,
    arch: str | None = None,
    seeds: Sequence[int] = SEEDS,
    epochs: int | None = None,
    recipe: RecipeName = "paper",
    per_class: int | None = None,
    pretrained: bool | Path = False,
    unlabelled: float = 0.0,
    device: str | None = None,
    precision: Wanted = "fp32",
    command: str = "",
    on_epoch: Callable[[int, Progress], None] = lambda *_: None,
) -> dict[str, Any]:
    """Run protocol ``name`` for each seed and write the figures to ``out_dir/<name>-<arch>-<recipe>.json``.

    The file is written after every seed. Seeds in the file are not run again; an interrupted training resumes. The test
    images of a seed are evaluated once, with the final model.

    Args:
        arch: of the catalogue; the paper's own when not given.
        epochs: instead of the recipe's.
        recipe: ``paper`` uses the paper's schedule and input size, as far as they are known; ``ours`` trains like
            `steelflow train`, at the architecture's own input size.
        per_class: training images of each class, instead of the paper's share.
        pretrained: start from ImageNet weights, torchvision's or a file, and fine-tune in phases if the paper does.
        unlabelled: this share of the test images of each class is shown without labels, see ``selection.unlabelled``;
            the figures are of the others.
        precision: of the training steps; see ``training.train.train``.
        command: for the record.
        on_epoch: called with the seed and its progress.

    Returns:
        The content of the file: the setting, the paper's figure, every run, their mean and its 95 % interval.

    Raises:
        ConfigError: no such protocol, or an argument out of range.
        DataError: the images cannot be used, or the file has results of other settings or another precision.
        ModelError, TrainingError: see ``training.train.train``.
    """
    wanted = protocol(name)
    if not seeds or (epochs is not None and epochs < 1) or (per_class is not None and per_class < 1):
        raise ConfigError("reproduce needs at least one seed, one epoch and one training image per class")
    arch = arch or wanted.arch
    entry = architecture(arch)
    place, precision = best_device(device), checked(precision)
    data = load_images(data_dir, wanted.input_size if recipe == "paper" else entry.input_size)
    parts = {seed: wanted.divide(data, seed, per_class) for seed in seeds}
    shown: dict[int, Indices] = {}
    if unlabelled:
        for seed in seeds:
            parts[seed], shown[seed] = divided(data, parts[seed], unlabelled, seed)
    first = len(parts[seeds[0]].training)
    alone, _ = _schedule(wanted, recipe, epochs, first, bool(pretrained))
    plan, phases = _schedule(wanted, recipe, epochs, first + len(shown.get(seeds[0], ())), bool(pretrained))
    setting = _plain(
        {
            "protocol": name,
            "arch": arch,
            "recipe_name": recipe,
            "input_size": data.images.shape[-1],
            "counts": {label: str(count) for label, count in parts[seeds[0]].counts.items()},
            "data_hash": data.hash,
            "recipe": asdict(plan),
            "phases": asdict(phases) if phases else None,
            "pretrained": origin_of(pretrained),
            **({"unlabelled": unlabelled, "teachers": TEACHERS} if unlabelled else {}),
        }
    )
    share = f"-{per_class}-a-class" if per_class else ""
    share += f"-{unlabelled:g}-unlabelled" if unlabelled else ""
    path = out_dir / f"{name}-{arch}-{recipe}{share}{'-pretrained' if pretrained else ''}.json"
    runs: list[dict[str, Any]] = _runs_of(path, setting)
    record: dict[str, Any] = {"kind": "protocol", **setting, **_about(wanted, arch, recipe, parts[seeds[0]])}
    for seed in seeds:
        if any(run["seed"] == seed for run in runs):
            _same_precision(path, runs, seed, precision)
            continue
        fingerprint = {**setting, "seed": seed, "precision": precision}
        checkpoint = Checkpoint(out_dir / f"{path.stem}-{seed}.checkpoint.safetensors", fingerprint)
        watch: Callable[[Progress], None] = partial(on_epoch, seed)
        started = time.perf_counter()
        method = Method(phases=phases, pretrained=pretrained, device=place, precision=precision)
        before = teachers(data, arch, alone, seed, parts[seed], method) if unlabelled else []
        trained = train_in_memory(
            data,
            arch,
            plan,
            seed,
            parts=(parts[seed].training, parts[seed].test),
            validation=parts[seed].validation if plan.patience else None,
            method=taught(method, before, data, shown[seed]) if unlabelled else method,
            callbacks=Callbacks(checkpoint=checkpoint, on_epoch=watch),
        )
        seconds = time.perf_counter() - started + trained.history.seconds_before
        runs.append(_run(seed, trained, place.type, seconds, command))
        if unlabelled:
            runs[-1] |= {"unlabelled": len(shown[seed]), "teachers": [one.evaluation.accuracy for one in before]}
        write_result(path, record | provenance(command) | _summary(runs, wanted))
        checkpoint.remove()
    return {**json.loads(path.read_text()), "file": str(path)}


def _schedule(
    wanted: Protocol, recipe: RecipeName, epochs: int | None, images: int, pretrained: bool
) -> tuple[Recipe, Phases | None]:
    """The recipe and, for pretrained weights, the phases: the paper's, or ours for so many training images."""
    if recipe == "ours":
        plan = Recipe(epochs=epochs or suited_epochs(images))
        return plan, Phases().within(plan.epochs) if pretrained else None
    plan = replace(wanted.recipe, epochs=epochs or wanted.recipe.epochs)
    return plan, wanted.phases.within(plan.epochs) if wanted.phases and pretrained else None


def _about(wanted: Protocol, arch: str, recipe: RecipeName, parts: Parts) -> dict[str, Any]:
    """The paper's figure, split and caveats."""
    told = arch if arch in wanted.figures else wanted.arch
    changed = sorted({str(count) for count in parts.counts.values()} - {str(wanted.counts)})
    return {
        "paper": {"title": wanted.paper, "arch": told, "measure": wanted.measure, "figure": wanted.figures[told]},
        "split": f"training/validation/test per class: {wanted.counts} in the paper, {' and '.join(changed)} here"
        if changed
        else f"training/validation/test per class: {wanted.counts}, as in the paper",
        "caveats": [*wanted.caveats, *(wanted.open_points if recipe == "paper" else ())],
    }


def _run(seed: int, trained: Trained, device: str, seconds: float, command: str) -> dict[str, Any]:
    figures = trained.evaluation
    return {
        "seed": seed,
        "trained_on": len(trained.training),
        "images": figures.images,
        "accuracy": figures.accuracy,
        "macro_f1": figures.macro_f1,
        "ece": figures.ece,
        "epochs": len(trained.history.curves),
        "seconds": round(seconds, 1),
        "device": device,
        "precision": trained.history.precision,
        "machine": machine(),
        "command": command,
        **({"commit": commit} if (commit := code_commit()) else {}),
    }


def _summary(runs: list[dict[str, Any]], wanted: Protocol) -> dict[str, Any]:
    values = [run[wanted.measure] for run in runs]
    return {
        "runs": sorted(runs, key=lambda run: run["seed"]),
        "mean": statistics.fmean(values),
        "interval_95": half_width(values),
        "hours": round(sum(run["seconds"] for run in runs) / 3600, 3),
    }


def _same_precision(path: Path, runs: Sequence[dict[str, Any]], seed: int, wanted: Wanted) -> None:
    """Check the precision of the stored run; ``auto`` accepts any. Old runs without a precision used float32."""
    (found,) = (run.get("precision", "fp32") for run in runs if run["seed"] == seed)
    if wanted not in ("auto", found):
        raise DataError(f"{path}: has seed {seed} in {found}; name another folder with --out to run it in {wanted}")


def _runs_of(path: Path, setting: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs in the file, if its settings are the same."""
    if not path.is_file():
        return []
    try:
        found = json.loads(path.read_text())
        differs = [key for key, value in setting.items() if found[key] != value]
        runs: list[dict[str, Any]] = found["runs"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise DataError(f"{path}: cannot be read as results; delete it, or name another folder with --out") from exc
    if differs:
        raise DataError(f"{path}: has results with other {', '.join(differs)}; name another folder with --out")
    return runs


def _plain(setting: dict[str, Any]) -> dict[str, Any]:
    """The setting after a round trip through JSON."""
    plain: dict[str, Any] = json.loads(json.dumps(setting))
    return plain
