"""What a model says of labelled frames, judged in views as inspection does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from steelflow.config import Settings
from steelflow.engine import Engine
from steelflow.inspection.judge import Judge, frame_of
from steelflow.labels import LabelStore
from steelflow.models.decision import defect_scores, is_defect, labels_at
from steelflow.models.spec import ModelSpec
from steelflow.records import RawImage, Region
from steelflow.registry.operating_points import point_on
from steelflow.retrain.strip.material import LabelledFrame

_TOGETHER = 16  # frames

Points = Mapping[str | None, float]
"""Operating points that people set, by line; None is for all others."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A model's judgement of a frame: 1 − Σ p(good) of its worst view, whether that is above the operating point, its
    label, and its regions. ``point`` is the operating point that counted."""

    score: float
    alarm: bool
    label: str
    regions: tuple[Region, ...]
    point: float


def look(
    engine: Engine, frames: Sequence[LabelledFrame], labels: LabelStore, settings: Settings, points: Points
) -> dict[str, Seen]:
    """Judge ``frames``, each with the settings of its line. Frames that cannot be decoded are left out.

    Raises:
        LabelError: an image of the label store is missing or was changed.
    """
    found: dict[str, Seen] = {}
    for line in sorted({one.line for one in frames}, key=str):
        spec = engine.spec.model_copy(update={"operating_point": point_on(points, line, engine.spec)})
        judge = Judge(engine, settings.limits.of(line), spec, frame_of(settings.frame, spec, line))
        stored = labels.images.get_many([one.image for one in frames if one.line == line])
        while batch := list(islice(stored, _TOGETHER)):
            found |= _judged(judge, batch)
    return found


def _judged(judge: Judge, batch: Iterable[tuple[str, bytes]]) -> dict[str, Seen]:
    raw = [RawImage(image, None, 0, data) for image, data in batch]
    judged, spec = judge.images(raw), judge.spec
    if not len(judged.good):
        return {}
    scores, alarms = defect_scores(judged.probabilities, spec), is_defect(judged.probabilities, spec)
    labels = labels_at(judged.probabilities, spec)
    regions: dict[int, list[Region]] = {}
    for one in (judged.framed.found if judged.framed is not None else None) or ():
        regions.setdefault(one.image, []).append(one.region)
    return {
        raw[place].key: Seen(
            float(scores[row]),
            bool(alarms[row]),
            spec.classes[int(labels[row])],
            tuple(regions.get(int(place), ())),
            _limit(spec),
        )
        for row, place in enumerate(np.asarray(judged.good))
    }


def _limit(spec: ModelSpec) -> float:
    return 0.5 if spec.operating_point is None else spec.operating_point
