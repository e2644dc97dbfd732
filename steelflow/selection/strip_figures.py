"""The figures of strip models on held-out pictures: pictures, composed frames, and the places that they mark."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steelflow.engine.base import Engine, Floats
from steelflow.engine.onnx import CPU, OnnxEngine
from steelflow.errors import ConfigError
from steelflow.models.shipped import resolve
from steelflow.models.spec import ModelSpec
from steelflow.selection.interval import half_width
from steelflow.selection.provenance import provenance, write_result
from steelflow.selection.strip_frames import composed
from steelflow.training.annotations import Annotations, list_annotations, load_annotations
from steelflow.training.strip.figures import crossed_thresholds, separation
from steelflow.training.strip.judge import Judged, Run, judge
from steelflow.training.strip.pictures import Pictures
from steelflow.training.strip.places import box_ratio, defect_of, points_at
from steelflow.training.strip.plan import StripPlan
from steelflow.training.strip.train import train_strip

FALSE_ALARMS = 0.05
LOOKALIKES = "lookalikes kept together"
NAMES = "by name alone"
GOOD_FRAMES = 200

Say = Callable[[str], None]


def figures_of(
    engine: Engine, annotations: Annotations, numbers: Sequence[int], seed: int, frames: int
) -> dict[str, Any]:
    """Figures of a model on the pictures ``numbers``, none of which trained it, and on composed frames: ``frames`` good
    ones, and one for each defect picture.

    Raises:
        ConfigError: the model has no map.
    """
    spec, read = engine.spec, Pictures(annotations)
    if spec.sharpness is None:
        raise ConfigError(f"{spec.name} has no map; measure a model that was trained on views of strip")

    def run(views: npt.NDArray[np.uint8]) -> tuple[Floats, Floats]:
        outputs = engine.run(views)
        assert outputs.map is not None, "a model with a sharpness has a map"
        return outputs.probabilities, outputs.map

    good = tuple(spec.classes.index(name) for name in spec.good)
    labels = [annotations.items[number].label for number in numbers]
    found = list(judge((read(number)[0] for number in numbers), run, spec))
    scores = np.array([one.score for one in found])
    pictures = separation(scores, labels, spec.good, FALSE_ALARMS)
    crossed = _crossed(scores, labels, [annotations.items[number].group for number in numbers], spec)
    fine = [number for number, label in zip(numbers, labels, strict=True) if label in spec.good]
    defects = [number for number, label in zip(numbers, labels, strict=True) if label not in spec.good]
    return {
        "pictures": pictures.to_dict(),
        "crossed": crossed,
        "frames": _frames(run, spec, read, fine, defects, annotations, seed, frames) if fine and defects else None,
        **_places(found, labels, [read(number)[1] for number in numbers], spec, good, pictures.threshold),
    }


def _crossed(
    scores: npt.NDArray[np.float64], labels: list[str], groups: list[str], spec: ModelSpec
) -> dict[str, Any] | None:
    """False alarms and recall at thresholds that were fitted on the other half of the groups."""
    fine = np.flatnonzero([label in spec.good for label in labels])
    limits = crossed_thresholds(scores[fine], fine, groups, FALSE_ALARMS)
    if limits is None:
        return None
    found = separation(scores, labels, spec.good, FALSE_ALARMS, crossed=limits).to_dict()
    return {name: found[name] for name in ("false_alarms", "recall", "recall_by_class")}


def _frames(
    run: Run,
    spec: ModelSpec,
    read: Pictures,
    fine: list[int],
    defects: list[int],
    annotations: Annotations,
    seed: int,
    count: int,
) -> dict[str, Any]:
    """Separation of composed frames."""
    good = tuple(spec.classes.index(name) for name in spec.good)
    wanted: list[int | None] = [*([None] * count), *defects]
    made = composed(read, fine, wanted, good, seed)
    scores = np.array([one.score for one in judge((frame.grey for frame in made), run, spec)])
    labels = [spec.good[0] if number is None else annotations.items[number].label for number in wanted]
    return separation(scores, labels, spec.good, FALSE_ALARMS).to_dict()


def _places(
    found: list[Judged],
    labels: list[str],
    known: list[Any],
    spec: ModelSpec,
    good: tuple[int, ...],
    threshold: float,
) -> dict[str, Any]:
    """Pointing, the class of the worst view, and the size of the regions, of defect pictures whose places are known."""
    hits, right, ratios = [], [], []
    for one, label, classes in zip(found, labels, known, strict=True):
        if label in spec.good:
            continue
        right.append(spec.classes[defect_of(one.probabilities[one.worst], good)] == label)
        if np.isin(classes, (*good, 255)).all():
            continue
        hits.append(points_at(one, spec, classes, good))
        ratio = box_ratio(one, spec, classes, good, threshold)
        if ratio is not None:
            ratios.append(ratio)
    return {
        "pointing": statistics.fmean(hits) if hits else None,
        "class_right": statistics.fmean(right) if right else None,
        "box_ratio": statistics.median(ratios) if ratios else None,
        "boxes": len(ratios),
    }


def measure_recipes(
    data: Path,
    out: Path,
    wanted: dict[int, dict[str, StripPlan]],
    trained: Path,
    *,
    pictures: Path | None,
    command: str,
    say: Say,
    frames: int = GOOD_FRAMES,
    by_name: bool = False,
) -> dict[str, Any]:
    """Train what is not yet in ``trained`` (a folder for each seed), measure each model on the pictures that its seed
    holds out, and write the result file.

    Args:
        wanted: by seed and name, the plans.
        frames: number of good composed frames.
        by_name: split by the pictures' names alone. The separation of the held-out pictures without a lookalike among
            the training pictures is then measured, too.
    """
    together = list_annotations(data, pictures=pictures).annotations()
    annotations = list_annotations(data, pictures=pictures).annotations(alike=False) if by_name else together
    runs: dict[str, list[dict[str, Any]]] = {}
    for seed, plans in wanted.items():
        folder = trained / f"seed-{seed}"
        for name, plan in plans.items():
            weights = folder / f"{plan.name}.safetensors"
            if not weights.is_file():
                say(f"seed {seed}: training {name}")
                train_strip(annotations, folder, plan)
            say(f"seed {seed}: measuring {name}")
            engine = OnnxEngine(weights.with_suffix(".onnx"), [CPU])
            training, held_out = annotations.split(seed, plan.held_out)
            record = json.loads(weights.with_suffix(".json").read_text())
            kept = ("recipe", "pretrained", "start", "teacher", "seconds")
            about = {"seed": seed, "trained_on": record["images"]["training"]}
            about |= {key: record[key] for key in kept if key in record}
            found = figures_of(engine, annotations, held_out, seed, frames)
            if by_name:
                seen = {together.items[number].group for number in training}
                unseen = [number for number in held_out if together.items[number].group not in seen]
                found["without_lookalikes"] = figures_of(engine, annotations, unseen, seed, frames)
            runs.setdefault(name, []).append(about | found)
    return _written(out, command, annotations, runs, NAMES if by_name else LOOKALIKES)


def measure_model(
    data: Path, out: Path, ref: str, *, pictures: Path | None, seed: int, command: str, frames: int = GOOD_FRAMES
) -> dict[str, Any]:
    """Measure a trained model, by name or path, on all pictures of ``data``. ``seed`` composes the frames.

    Raises:
        ConfigError: the model has no good classes, or the data has other classes.
    """
    annotations = load_annotations(data, pictures=pictures)
    engine = OnnxEngine(resolve(ref), [CPU])
    spec = engine.spec
    if not spec.good or (unknown := set(annotations.classes) - set(spec.classes)):
        raise ConfigError(
            f"{ref}: knows {', '.join(spec.classes)} (good: {', '.join(spec.good) or 'none'}), the data has "
            f"{', '.join(annotations.classes)}; measure a model of strip on pictures of its own classes"
            + (f" (unknown: {', '.join(sorted(unknown))})" if spec.good else "")
        )
    annotations = replace(annotations, classes=spec.classes, good=spec.good)
    figures = figures_of(engine, annotations, list(range(len(annotations.items))), seed, frames)
    return _written(out, command, annotations, {ref: [{"seed": seed} | figures]}, "all pictures")


def _written(
    out: Path, command: str, annotations: Annotations, runs: dict[str, list[dict[str, Any]]], split: str | None = None
) -> dict[str, Any]:
    result = {
        "kind": "strip",
        "data": {"name": annotations.root.name, "pictures": len(annotations.items), "hash": annotations.hash},
        **({} if split is None else {"split": split}),
        "models": {name: _of_model(of) for name, of in runs.items()},
        **provenance(command),
    }
    write_result(out, result)
    return result


def _of_model(runs: list[dict[str, Any]]) -> dict[str, Any]:
    unseen = [run["without_lookalikes"] for run in runs if "without_lookalikes" in run]
    return {
        "summary": summary(runs),
        **({"without_lookalikes": summary(unseen)} if unseen else {}),
        "runs": runs,
    }


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean and 95 % interval over the seeds of each figure."""
    paths = {
        "picture_auc": ("pictures", "auc"),
        "picture_recall": ("pictures", "recall"),
        "crossed_alarms": ("crossed", "false_alarms"),
        "crossed_recall": ("crossed", "recall"),
        "frame_auc": ("frames", "auc"),
        "frame_recall": ("frames", "recall"),
        "pointing": ("pointing",),
        "class_right": ("class_right",),
        "box_ratio": ("box_ratio",),
    }
    found = {}
    for name, path in paths.items():
        values = [value for run in runs if (value := _at(run, path)) is not None]
        if values:
            found[name] = {"mean": statistics.fmean(values), "interval_95": half_width(values)}
    return found


def _at(run: dict[str, Any], path: tuple[str, ...]) -> float | None:
    value: Any = run
    for key in path:
        value = None if value is None else value.get(key)
    return None if value is None else float(value)
