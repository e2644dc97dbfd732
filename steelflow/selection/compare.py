"""Compare candidates: accuracy, robustness, calibration, cost and speed, with one result file each."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from steelflow.config import Settings
from steelflow.errors import ConfigError
from steelflow.models import CATALOGUE, architecture
from steelflow.models.cost import flops, parameters
from steelflow.models.spec import ModelSpec
from steelflow.selection.candidates import Candidate, ModelFile
from steelflow.selection.interval import half_width
from steelflow.selection.provenance import provenance, write_result
from steelflow.selection.speed import REFERENCE, Speed, measure_speeds
from steelflow.training.data import Dataset, load_images
from steelflow.training.evaluate import evaluate_folder
from steelflow.training.robustness import CONDITIONS
from steelflow.training.train import suited_epochs

_ENCODED = 600  # images for the speed measurement; they are repeated


def compare(
    candidates: Sequence[Candidate],
    data: Path,
    settings: Settings,
    results: Path,
    *,
    held_out: int | None = 0,
    rounds: int = 5,
    command: str = "",
    say: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Measure each candidate and write the results to ``results/<name>.json``.

    A model is evaluated on the fifth of ``data`` that its record says was held out. Results in the file for the same
    model, images and conditions are not measured again. The speed is measured again, because it depends on the machine
    and the moment.

    Args:
        held_out: the seed of the held-out fifth for models without a record about these images; None: all images.
        rounds: rounds of the speed measurement. 0: do not measure; keep a known speed.

    Returns:
        The content of the files, in the order of ``candidates``.

    Raises:
        ConfigError: two candidates have the same name.
        DataError: the images cannot be used.
        ModelError: a model cannot be used.
    """
    names = [candidate.name for candidate in candidates]
    if len(set(names)) < len(names):
        raise ConfigError(f"two of {', '.join(names)} have the same name; rename one file or folder")
    listed = load_images(data, 1, settings.limits, at_least=1)
    records = []
    for candidate in candidates:
        path = results / f"{candidate.name}.json"
        record = _judge(candidate, _known(path), data, listed.hash, settings, held_out, say)
        records.append(record)
        write_result(path, record | provenance(command))
    if rounds:
        files = {candidate.name: candidate.files[0].path for candidate in candidates}
        speeds = measure_speeds(files, settings, _encoded(data, listed), rounds=rounds, say=say)
        for record in records:
            record["speed"] = _speed(speeds, record["model"], rounds)
            write_result(results / f"{record['model']}.json", record | provenance(command))
    return records


def _judge(
    candidate: Candidate,
    known: dict[str, Any],
    data: Path,
    data_hash: str,
    settings: Settings,
    held_out: int | None,
    say: Callable[[str], None],
) -> dict[str, Any]:
    spec = candidate.spec
    runs = []
    for file in candidate.files:
        seed = file.held_out(data_hash, held_out)
        found = _run_of(known, file, data_hash, seed)
        if found is None:
            say(f"evaluating {candidate.name}{'' if seed is None else f' on images held out by seed {seed}'}")
            found = _run(file, data, settings, seed)
        runs.append(found)
    conditions = {
        name: statistics.fmean(run["robustness"][name]["accuracy"] for run in runs) for name in runs[0]["robustness"]
    }
    worst = min(conditions, key=lambda name: conditions[name])
    record: dict[str, Any] = {
        "kind": "model",
        "model": candidate.name,
        "arch": spec.arch,
        "input_size": spec.input_size,
        "classes": list(spec.classes),
        **_cost(spec.arch, len(spec.classes), spec.input_size),
        "bytes": candidate.files[0].path.stat().st_size,
        "data_hash": data_hash,
        "training": _training(candidate.files[0]),
        "caveats": _caveats(candidate.files[0], spec),
        "hours": round(sum(run["trained_in_seconds"] or 0 for run in runs) / 3600, 3),
        "runs": runs,
        "accuracy": statistics.fmean(run["accuracy"] for run in runs),
        "interval_95": half_width([run["accuracy"] for run in runs]),
        "macro_f1": statistics.fmean(run["macro_f1"] for run in runs),
        "ece": statistics.fmean(run["ece"] for run in runs),
        "robustness": conditions,
        "robustness_mean": statistics.fmean(conditions.values()),
        "robustness_worst": {"condition": worst, "accuracy": conditions[worst]},
    }
    return record | ({"speed": known["speed"]} if "speed" in known else {})


def _run(file: ModelFile, data: Path, settings: Settings, held_out: int | None) -> dict[str, Any]:
    model = settings.model.model_copy(update={"ref": str(file.path)})
    found = evaluate_folder(
        data, settings.model_copy(update={"model": model}), held_out=held_out, conditions=CONDITIONS
    )
    return {
        "seed": file.record.get("seed"),
        "held_out": held_out,
        "digest": file.digest,
        "engine": found.engine,
        "images": found.figures.images,
        "seen_in_training": found.seen or 0,
        "accuracy": found.figures.accuracy,
        "macro_f1": found.figures.macro_f1,
        "ece": found.figures.ece,
        "robustness": {name: asdict(disturbed) for name, disturbed in found.disturbed.items()},
        "trained_in_seconds": file.record.get("seconds"),
        "precision": file.record.get("precision"),
        "trained_by": {key: file.origin[key] for key in ("command", "commit", "machine") if key in file.origin},
    }


def _run_of(known: dict[str, Any], file: ModelFile, data_hash: str, held_out: int | None) -> dict[str, Any] | None:
    """The run in the result file for the same model and the same images, or None."""
    if known.get("data_hash") != data_hash:
        return None
    for run in known["runs"]:
        same = run["digest"] == file.digest and run["held_out"] == held_out
        if same and run["robustness"].keys() == CONDITIONS.keys():
            return dict(run)
    return None


def _cost(arch: str, classes: int, input_size: int) -> dict[str, Any]:
    """Cost of the architecture as trained; values are None if the catalogue does not have it."""
    if arch not in CATALOGUE:
        return {"parameters": None, "flops": None}
    network = architecture(arch).build(classes, input_size)
    return {"parameters": parameters(network), "flops": flops(network, input_size)}


def _training(file: ModelFile) -> dict[str, Any]:
    """How the first model was trained, from its record."""
    return {
        key: file.record[key] for key in ("recipe", "split", "images", "device", "pretrained") if key in file.record
    }


def _caveats(file: ModelFile, spec: ModelSpec) -> list[str]:
    """How the training fell short of the usual one: fewer epochs, smaller pictures."""
    found = []
    epochs = file.record.get("recipe", {}).get("epochs")
    if epochs is not None and epochs < (usual := suited_epochs(file.record["images"]["training"])):
        found.append(f"trained for {epochs} epochs; {usual} are usual for this number of images")
    if spec.arch in CATALOGUE and spec.input_size < (side := CATALOGUE[spec.arch].input_size):
        found.append(f"trained at {spec.input_size}×{spec.input_size}; the architecture is made for {side}×{side}")
    return found


def _speed(speeds: dict[str, Speed], name: str, rounds: int) -> dict[str, Any]:
    mine, other = speeds[name], speeds[REFERENCE]
    return {
        **asdict(mine),
        "rounds": rounds,
        "reference": {"model": REFERENCE, "infer": other.infer, "end_to_end": other.end_to_end},
    }


def _encoded(data: Path, listed: Dataset) -> list[bytes]:
    """Encoded files, evenly spread over the data."""
    root = data if data.is_dir() else data.parent
    step = max(1, len(listed.paths) // _ENCODED)
    return [(root / path).read_bytes() for path in listed.paths[::step]]


def _known(path: Path) -> dict[str, Any]:
    """Earlier results; empty if the file cannot be read, so that they are measured again."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if found.get("kind") == "model" else {}
