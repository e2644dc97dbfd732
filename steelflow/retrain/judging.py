"""Two models on the same images, through the engine that inspects the nights: what each answers, and how fast."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from steelflow.config import LimitSettings
from steelflow.engine import Engine
from steelflow.inspection.judge import judge
from steelflow.labels import Classes
from steelflow.records import RawImage
from steelflow.retrain.gate import Answers

_BATCH = 64
_ROUNDS = 15
_FLOOR = 1e-12
AS_THEY_ARE = Classes()


def answers(
    engine: Engine,
    images: Iterable[tuple[str, bytes]],
    truth: Sequence[str],
    limits: LimitSettings,
    meaning: Classes = AS_THEY_ARE,
    limits_of: Callable[[str], LimitSettings] | None = None,
) -> Answers:
    """The answers of ``engine`` for N ``images`` (reference, encoded bytes); ``truth`` has their N labels in order, and
    ``limits_of`` says how an image is decoded, if not all are in the same way.

    An image that cannot be decoded counts as wrong for every model. A model that was trained before a class was renamed
    or merged answers by its name of today (``meaning``).
    """
    classes = [meaning.now(name) for name in engine.spec.classes]
    labels: list[str] = []
    probability: list[float] = []
    for batch in _batches(images):
        raw = [RawImage(reference, None, 0, data) for reference, data in batch]
        judged = judge(raw, engine, limits, limits_of and (lambda image: limits_of(image.key)))
        rows = dict(zip(judged.good.tolist(), judged.probabilities, strict=True))
        for number in range(len(batch)):
            row, right = rows.get(number), truth[len(labels)]
            labels.append("" if row is None else classes[int(row.argmax())])
            own = [place for place, name in enumerate(classes) if name == right]
            probability.append(_FLOOR if row is None or not own else float(row[own].sum()))
    right_ones = np.array([label == wanted for label, wanted in zip(labels, truth, strict=True)], bool)
    return Answers(tuple(labels), right_ones, np.array(probability, np.float64))


def relative_speed(challenger: Engine, champion: Engine) -> float:
    """Images per second of ``challenger`` as a share of the champion's, on one thread. The two take turns, and the
    fastest round of each counts: other work on the machine slows down the other rounds."""
    batches = [
        np.random.default_rng(0).integers(
            256, size=(_BATCH, 1, one.spec.input_size, one.spec.input_size), dtype=np.uint8
        )
        for one in (challenger, champion)
    ]
    quickest = [math.inf, math.inf]
    for _ in range(_ROUNDS):
        for place, (engine, batch) in enumerate(zip((challenger, champion), batches, strict=True)):
            started = time.perf_counter()
            engine.run(batch)
            quickest[place] = min(quickest[place], time.perf_counter() - started)
    return quickest[1] / quickest[0]


def _batches(images: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    iterator = iter(images)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
