"""Measure images/s of several models in turns, so that a slow minute of the machine affects all models."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steelflow.bench.sources import Source, local, write_tars
from steelflow.bench.stages import end_to_end, infer_only
from steelflow.config import Settings
from steelflow.engine import open_engine
from steelflow.inspection.pipeline import Model, load_model
from steelflow.models import architecture
from steelflow.models.deployable import Deployable
from steelflow.models.spec import ModelSpec
from steelflow.training.export import embedding_dims, export_onnx

REFERENCE = "ssdc_mininet at 200×200"

_SECONDS = 4.0  # target length of one measurement, so that the fixed cost of a run (about 0.1 s) does not matter
_SLOW = 0.05  # seconds per picture; above this the batch size is not tuned, because tuning would take minutes


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians in images/s, with the worker count of a nightly run, and their ratios to the reference.

    ``infer`` classifies from memory; ``end_to_end`` reads tar files, decodes, measures, classifies and writes reports.
    """

    infer: float
    end_to_end: float
    infer_ratio: float
    end_to_end_ratio: float
    batch_size: int
    workers: int


def measure_speeds(
    files: Mapping[str, Path],
    settings: Settings,
    images: Sequence[bytes],
    *,
    rounds: int = 5,
    most: int = 16384,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Speed]:
    """Measure every model in ``files``, and SSDC-MiniNet at 200×200, in each of ``rounds`` rounds.

    A fast model classifies ``most`` images per round. Slower models get fewer images, for about the same time.

    Args:
        images: encoded; they are repeated as needed.

    Returns:
        Speeds by the names in ``files``; the reference is under ``REFERENCE``.
    """
    with reference() as path, tempfile.TemporaryDirectory(prefix="steelflow-compare-") as scratch:
        models = {name: _load(file, settings) for name, file in ({REFERENCE: path} | dict(files)).items()}
        counts = {name: _count(model, most) for name, model in models.items()}
        sources = {count: _source(Path(scratch), list(images), count) for count in set(counts.values())}
        infer: dict[str, list[float]] = {name: [] for name in models}
        whole: dict[str, list[float]] = {name: [] for name in models}
        for turn in range(rounds):
            for name, model in models.items():
                say(f"round {turn + 1} of {rounds}: {name}")
                count = counts[name]
                infer[name].append(infer_only(model.engine, min(model.batch_size, count), count, model.workers))
                whole[name].append(end_to_end(sources[count], model))
    return {
        name: Speed(
            statistics.median(infer[name]),
            statistics.median(whole[name]),
            _ratio(infer[name], infer[REFERENCE]),
            _ratio(whole[name], whole[REFERENCE]),
            model.batch_size,
            model.workers,
        )
        for name, model in models.items()
    }


@contextmanager
def reference() -> Iterator[Path]:
    """SSDC-MiniNet for 200×200 pixels, untrained: the weights do not change the speed."""
    network = architecture("ssdc_mininet").build(6, 200)
    spec = ModelSpec(
        name="reference",
        arch="ssdc_mininet",
        classes=tuple("abcdef"),
        input_size=200,
        embedding_dims=embedding_dims(network),
    )
    images = np.random.default_rng(0).integers(0, 256, (2, 1, 200, 200), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reference.onnx"
        export_onnx(Deployable(network, spec).eval(), spec, path, images)
        yield path


def _load(path: Path, settings: Settings) -> Model:
    """Load the model as a nightly run does."""
    given = {"ref": str(path)} | ({"batch_size": 4} if _seconds_each(path, settings) > _SLOW else {})
    return load_model(settings.model_copy(update={"model": settings.model.model_copy(update=given)}))


def _seconds_each(path: Path, settings: Settings) -> float:
    """Seconds for a single picture, after one warm-up."""
    engine = open_engine(path, settings.model.engine)
    picture = np.zeros((1, 1, engine.spec.input_size, engine.spec.input_size), np.uint8)
    engine.run(picture)
    started = time.perf_counter()
    engine.run(picture)
    return time.perf_counter() - started


def _count(model: Model, most: int) -> int:
    """The number of images: a power of two times the workers, so that few different sources are needed."""
    size = model.engine.spec.input_size
    batch = np.zeros((model.batch_size, 1, size, size), np.uint8)
    started = time.perf_counter()
    model.engine.run(batch)
    rate = model.workers * model.batch_size / (time.perf_counter() - started)
    count = 2 * model.workers
    while 2 * count <= min(most, rate * _SECONDS):
        count *= 2
    return count


def _source(scratch: Path, images: list[bytes], count: int) -> Source:
    folder = scratch / str(count)
    write_tars(folder, images, count)
    return local(f"{count} images", folder)


def _ratio(rates: list[float], of_reference: list[float]) -> float:
    """The median ratio over the rounds."""
    return statistics.median(rate / other for rate, other in zip(rates, of_reference, strict=True))
