"""A challenger on trial, on frames of coils that it was not trained on: each model at its operating point.

A case is a labelled defect, or a good frame. A defect is judged rightly if a region of the model touches it and, where
the champion has classes, has its class. A good frame is judged rightly if it has no alarm. The gate then compares the
two models case by case, as it does for whole images (``gate``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from steelflow.engine import Engine, open_engine
from steelflow.errors import EngineError, ModelError
from steelflow.labels import Classes
from steelflow.models.seen import among, trained_on
from steelflow.models.spec import ModelSpec
from steelflow.registry.operating_points import points_of
from steelflow.retrain.gate import (
    FEWEST,
    Answers,
    Comparison,
    Gate,
    StripComparison,
    StripFigures,
    compare,
    decide,
    together,
)
from steelflow.retrain.judging import relative_speed
from steelflow.retrain.retraining import Retraining
from steelflow.retrain.strip.judging import Seen, look
from steelflow.retrain.strip.material import LabelledFrame
from steelflow.retrain.strip.pictures import touch
from steelflow.retrain.wanted import NAMELESS
from steelflow.training.annotations import Box
from steelflow.training.metrics import auc

_SEPARATION = 0.05  # of the area under the curve, which a challenger may lose
_NEAR = 8  # pixels: a region has the resolution of cells


@dataclass(frozen=True, slots=True)
class Case:
    """A defect with its box (None: somewhere in the frame), or a good frame, with the label that is right."""

    image: str
    label: str
    box: Box | None


def cases_of(frames: Sequence[LabelledFrame], good: str) -> list[Case]:
    """Of each frame: its defects, or that it is good."""
    found = []
    for frame in frames:
        defects = [box for box in frame.boxes if box.label != good]
        found += [Case(frame.image, box.label, box) for box in defects] or [Case(frame.image, frame.label, None)]
    return found


def try_out_frames(
    run: Retraining, sets: Mapping[str, Sequence[LabelledFrame]], good: str, champion: Path, challenger: Path
) -> Gate:
    """The decision on two ONNX files. A challenger that cannot be run is refused without a comparison.

    Raises:
        ModelError, EngineError: the champion cannot be run.
        LabelError: an image of the label store is damaged.
    """
    kind, rules = run.settings.model.engine, run.settings.retrain
    before = open_engine(champion, kind)
    try:
        after = open_engine(challenger, kind)
    except (ModelError, EngineError) as exc:
        return Gate(comparisons=(), speed=0.0, problems=(f"it cannot be trusted: {exc}",))
    points = points_of(run.registry.store, before.digest)
    named = before.spec.arch != NAMELESS
    meaning = run.labels.class_names()
    old_spec, new_spec = (_today(one.spec, meaning) for one in (before, after))
    learned, learnt_after = trained_on(champion, before.digest), trained_on(challenger, after.digest)
    pairs: list[tuple[Answers, Answers]] = []
    comparisons: list[Comparison] = []
    for name, frames in sets.items():
        seen = (
            _named(look(before, frames, run.labels, run.settings, points), meaning),
            _named(look(after, frames, run.labels, run.settings, {}), meaning),
        )
        cases = cases_of(frames, good)
        pair = (_answers(cases, seen[0], old_spec, named, good), _answers(cases, seen[1], new_spec, named, good))
        known = among(learned, [bytes.fromhex(case.image) for case in cases])
        proof = ~known & ~among(learnt_after, [bytes.fromhex(case.image) for case in cases])
        pairs.append((pair[0].only(proof), pair[1].only(proof)))
        found = compare(name, [case.label for case in cases], *pair, rules, remembered=known)
        strip = StripComparison(
            champion=_figures(frames, cases, pair[0], seen[0], good),
            challenger=_figures(frames, cases, pair[1], seen[1], good),
        )
        unseen = [frame for frame in frames if not among(learned, [bytes.fromhex(frame.image)]).any()]
        comparisons.append(_with(found, strip, *(_auc(unseen, one, good) for one in seen)))
    old, new = together([pair[0] for pair in pairs]), together([pair[1] for pair in pairs])
    return decide(comparisons, old, new, _speed(after, before), rules)


def _today(spec: ModelSpec, meaning: Classes) -> ModelSpec:
    """The spec with today's names of its classes: two that were merged have one name."""
    return spec.model_copy(update={"classes": tuple(map(meaning.now, spec.classes))})


def _named(seen: Mapping[str, Seen], meaning: Classes) -> dict[str, Seen]:
    return {image: replace(one, label=meaning.now(one.label)) for image, one in seen.items()}


def _speed(after: Engine, before: Engine) -> float:
    """Of the strip that is judged: images per second times the area of a view."""
    sides = [one.spec.view or one.spec.input_size for one in (after, before)]
    return relative_speed(after, before) * (sides[0] / sides[1]) ** 2


def _answers(cases: Sequence[Case], seen: Mapping[str, Seen], spec: ModelSpec, named: bool, good: str) -> Answers:
    labels, right, probability = [], [], []
    for case in cases:
        one = seen.get(case.image)
        label, sure = ("", 0.0) if one is None else _answer(case, one, spec, good)
        labels.append(label)
        right.append(label == case.label if named or case.label == good else label not in ("", good))
        probability.append(sure)
    return Answers(tuple(labels), np.array(right, bool), np.array(probability, np.float64))


def _answer(case: Case, seen: Seen, spec: ModelSpec, good: str) -> tuple[str, float]:
    """The model's label for a case, and its confidence that it is right: 0.5 is at the operating point."""
    if case.label == good:
        return (seen.label if seen.alarm else good), 1 - _relative(seen.score, seen.point)
    if case.box is None:
        return (seen.label if seen.alarm else good), _relative(seen.score, seen.point)
    box = Box("", case.box.x - _NEAR, case.box.y - _NEAR, case.box.width + 2 * _NEAR, case.box.height + 2 * _NEAR)
    found = [one for one in seen.regions if touch(box, Box("", one.x, one.y, one.width, one.height))]
    if not found:
        return good, _relative(min(seen.score, seen.point), seen.point)
    right = [one for one in found if spec.classes[one.label] == case.label]
    best = max(right or found, key=lambda one: one.score)
    return spec.classes[best.label], _relative(best.score, seen.point)


def _relative(score: float, point: float) -> float:
    """A score as a probability that is 0.5 at the operating point: the logits are shifted."""
    low, high = 1e-6, 1 - 1e-6
    logits = [math.log(p / (1 - p)) for p in (min(max(score, low), high), min(max(point, low), high))]
    return 1 / (1 + math.exp(logits[1] - logits[0]))


def _figures(
    frames: Sequence[LabelledFrame], cases: Sequence[Case], answers: Answers, seen: Mapping[str, Seen], good: str
) -> StripFigures:
    kept = [frame for frame in frames if frame.image in seen]
    defect = np.array([frame.label != good for frame in kept], bool)
    alarms = np.array([seen[frame.image].alarm for frame in kept], bool)
    given = [(case.label, label) for case, label in zip(cases, answers.labels, strict=True) if case.label != good]
    return StripFigures(
        good_frames=int((~defect).sum()),
        alarms=int(alarms[~defect].sum()),
        defects=len(given),
        found=sum(label not in ("", good) for _, label in given),
        named=sum(label == wanted for wanted, label in given),
        auc=_auc(frames, seen, good),
    )


def _auc(frames: Sequence[LabelledFrame], seen: Mapping[str, Seen], good: str) -> float | None:
    kept = [frame for frame in frames if frame.image in seen]
    defect = np.array([frame.label != good for frame in kept], bool)
    scores = np.array([seen[frame.image].score for frame in kept])
    return auc(defect, scores) if defect.any() and not defect.all() else None


def _with(found: Comparison, strip: StripComparison, before: float | None, after: float | None) -> Comparison:
    """The comparison with the figures of frames, and the problem if the challenger separates worse. ``before`` and
    ``after``: the areas under the curve, on frames that did not train the champion."""
    problems = list(found.problems)
    if found.images >= FEWEST and before is not None and after is not None and before - after > _SEPARATION:
        problems.append(
            f"it separates good from defective frames worse on the {found.name}: AUC {after:.3f}, the champion has "
            f"{before:.3f}"
        )
    return found.model_copy(update={"strip": strip, "problems": tuple(problems)})
