"""Measure variants of a model on the engines, and keep a variant only if it is as good as the model."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from steelflow.config import LimitSettings
from steelflow.engine import Engine
from steelflow.engine.base import Pictures
from steelflow.engine.onnx import OnnxEngine
from steelflow.engine.openvino import OpenVinoEngine, has_bf16
from steelflow.errors import ConfigError, DataError, EngineError, SteelflowError
from steelflow.models.seen import seen
from steelflow.selection.candidates import ModelFile
from steelflow.selection.variants import CPU, Variant, make_variants
from steelflow.training.data import load_images, split
from steelflow.training.metrics import Evaluation, Ints, evaluate

ACCURACY_LOST = 0.001
ECE_GAINED = 0.01

_CALIBRATION = 128  # images
_BATCH = 32
_SECONDS = 0.2  # target length of one speed measurement
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Row:
    """A variant on an engine. ``change`` and ``ratio`` are relative to float32 on onnxruntime; images/s use all cores.

    ``problem`` says why the variant is not as good, or why it was not measured.
    """

    variant: str
    engine: str
    bytes: int | None = None
    accuracy: float | None = None
    change: float | None = None
    ece: float | None = None
    images_per_second: float | None = None
    ratio: float | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Faster:
    """The measurements, and the kept files by variant name."""

    rows: tuple[Row, ...]
    kept: dict[str, Path]
    calibration: int  # images
    held_out: int  # images
    seed: int
    cores: int
    seen: int  # held-out images that trained the model, as far as is known

    @property
    def fastest(self) -> Row:
        """The fastest kept variant; float32 on one of the engines if no variant is faster."""
        usable = [row for row in self.rows if row.problem is None and row.variant in ("f32", *self.kept)]
        return max(usable, key=lambda row: row.ratio or 0.0)

    def to_dict(self) -> dict[str, Any]:
        return {
            "rows": [asdict(row) for row in self.rows],
            "kept": {name: str(path) for name, path in self.kept.items()},
            "fastest": {"variant": self.fastest.variant, "engine": self.fastest.engine},
            "allowed": {"accuracy_lost": ACCURACY_LOST, "ece_gained": ECE_GAINED},
            "images": {"calibration": self.calibration, "held_out": self.held_out, "seen_in_training": self.seen},
            "seed": self.seed,
            "cores": self.cores,
        }


def export_faster(
    source: Path,
    data: Path,
    out: Path,
    *,
    seed: int | None = None,
    rounds: int = 9,
    limits: LimitSettings | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Faster:
    """Make variants of the model at ``source``; keep in ``out`` those that are as good on held-out images.

    Args:
        data: the labelled images that the model was trained on. Calibration uses the training part only.
        seed: the training seed, which decides the held-out part. None: from the model's record, else 0.
        rounds: rounds of the speed measurement.

    Raises:
        DataError: the images cannot be used, or have other classes than the model.
        ModelError: ``source`` is not a steelflow model.
        ConfigError: ``out`` cannot be written.
    """
    spec = OnnxEngine(source, CPU).spec
    images = load_images(data, spec.input_size, limits)
    if images.classes != spec.classes:
        raise DataError(
            f"{data}: has classes {', '.join(images.classes)}, but {spec.name} has {', '.join(spec.classes)}; "
            "name the images that the model was trained on"
        )
    file = ModelFile.at(source)
    if seed is None:
        seed = file.held_out(images.hash, 0) or 0
    training, held_out = split(images, seed=seed)
    known = seen(str(source), file.digest, [images.digests[i] for i in held_out]) or 0
    calibration = np.random.default_rng(0).permutation(training)[:_CALIBRATION]
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".exporting-", dir=out) as draft:
            variants = make_variants(source, images.images[calibration][:, None], Path(draft), say)
            rows = measure(source, variants, images.images[held_out][:, None], images.labels[held_out], rounds, say)
            kept = keep(variants, rows, out)
    except OSError as exc:
        raise ConfigError(f"{out}: cannot be written: {exc.strerror}; name another folder with --out") from exc
    return Faster(tuple(rows), kept, len(calibration), len(held_out), seed, _cores(), known)


def measure(
    source: Path,
    variants: Sequence[Variant],
    images: Pictures,
    labels: Ints,
    rounds: int = 9,
    say: Callable[[str], None] = lambda _: None,
) -> list[Row]:
    """Measure ``source`` and its variants on their engines, relative to ``source`` on onnxruntime.

    Args:
        images: uint8 (N, 1, S, S), held out.
        labels: (N,), indices into the spec's classes.
    """
    reference = _evaluate(OnnxEngine(source, CPU), images, labels)
    rows: list[Row] = []
    engines: list[Engine | None] = []
    for variant in (Variant("f32", source), *variants):
        for kind in variant.engines:
            say(f"accuracy of {variant.name} on {kind}")
            row, engine = _judge(variant, kind, reference, images, labels)
            rows.append(row)
            engines.append(engine)
    return _with_speeds(rows, engines, images, rounds, say)


def refusal(reference: Evaluation, found: Evaluation) -> str | None:
    """Why a model with these figures cannot replace the reference; None if it can."""
    lost = reference.accuracy - found.accuracy
    if lost > ACCURACY_LOST + _ROUNDING:
        return f"{100 * lost:.2f} points of accuracy lost, {100 * ACCURACY_LOST:.2f} allowed"
    if found.ece > reference.ece + ECE_GAINED + _ROUNDING:
        return f"ECE {found.ece - reference.ece:.4f} above that of float32, {ECE_GAINED:.4f} allowed"
    return None


def keep(variants: Sequence[Variant], rows: Sequence[Row], out: Path) -> dict[str, Path]:
    """Move a variant to ``out`` if it is as good on every engine that runs it. Delete the other variants of an earlier
    run from ``out``."""
    kept = {}
    for variant in variants:
        measured = [row for row in rows if row.variant == variant.name and row.accuracy is not None]
        place = out / variant.path.name
        place.unlink(missing_ok=True)
        if measured and not any(row.problem for row in measured):
            kept[variant.name] = Path(shutil.move(variant.path, place))
    return kept


def _judge(
    variant: Variant, kind: str, reference: Evaluation, images: Pictures, labels: Ints
) -> tuple[Row, Engine | None]:
    try:
        engine = _open(variant, kind)
        found = _evaluate(engine, images, labels)
    except SteelflowError as exc:
        return Row(variant.name, kind, problem=str(exc)), None
    return Row(
        variant.name,
        engine.name,
        variant.path.stat().st_size,
        found.accuracy,
        found.accuracy - reference.accuracy,
        found.ece,
        problem=refusal(reference, found),
    ), engine


def _open(variant: Variant, kind: str) -> Engine:
    if variant.problem is not None:
        raise EngineError(variant.problem)
    if kind == "onnxruntime":
        return OnnxEngine(variant.path, CPU)
    if variant.name == "bf16" and not has_bf16():
        raise EngineError("this CPU does not compute in bfloat16")
    return OpenVinoEngine(variant.path)


def _evaluate(engine: Engine, images: Pictures, labels: Ints) -> Evaluation:
    probabilities = engine.run(images).probabilities.astype(np.float64)
    return evaluate(labels, probabilities, engine.spec.classes)


def _with_speeds(
    rows: Sequence[Row],
    engines: Sequence[Engine | None],
    images: Pictures,
    rounds: int,
    say: Callable[[str], None],
) -> list[Row]:
    """Add median speeds. The engines take turns in each round; ratios are relative to the first engine."""
    rates: list[list[float]] = [[] for _ in rows]
    for turn in range(rounds):
        for row, engine, found in zip(rows, engines, rates, strict=True):
            if engine is not None:
                say(f"speed, round {turn + 1} of {rounds}: {row.variant} on {row.engine}")
                found.append(_images_per_second(engine, images))
    return [_with_speed(row, found, rates[0]) for row, found in zip(rows, rates, strict=True)]


def _with_speed(row: Row, rates: list[float], reference: list[float]) -> Row:
    if not rates:
        return row
    ratio = statistics.median(rate / other for rate, other in zip(rates, reference, strict=True))
    return replace(row, images_per_second=statistics.median(rates), ratio=ratio)


def _images_per_second(engine: Engine, images: Pictures) -> float:
    """Classify as in a nightly run, with one thread per core. Uses CPU time, so other programs affect it little."""
    cores = _cores()
    batch = np.resize(images, (_BATCH, *images.shape[1:]))
    started = time.perf_counter()
    engine.run(batch)
    runs = max(1, round(_SECONDS / (time.perf_counter() - started)))

    def work(_: int) -> None:
        for _ in range(runs):
            engine.run(batch)

    with ThreadPoolExecutor(cores) as pool:
        started = time.process_time()
        list(pool.map(work, range(cores)))
        spent = time.process_time() - started
    return cores * (cores * runs * _BATCH) / spent


def _cores() -> int:
    return len(os.sched_getaffinity(0))
