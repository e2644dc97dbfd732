"""Train on annotated pictures with good surface, and measure the model that was written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from steelflow.config import LimitSettings
from steelflow.engine import open_engine
from steelflow.models.spec import ModelSpec
from steelflow.training.annotations import Annotations, Listing
from steelflow.training.annotations.item import SPLIT_RULE
from steelflow.training.data import HELD_OUT, Skipped
from steelflow.training.metrics import Evaluation, evaluate
from steelflow.training.operating_point import AtPoint, at_point, false_alarm_share, scored
from steelflow.training.plan import HoldOut
from steelflow.training.strip.fit import StripProgress
from steelflow.training.strip.plan import StripPlan
from steelflow.training.strip.train import train_strip


@dataclass(frozen=True, slots=True)
class AnnotatedResult:
    """The files of a model of views, and its figures on the held-out pictures, each judged by its worst view.

    ``evaluation`` is of the most probable classes; ``at_point`` of good against defect at the operating point. This was
    fitted on the views of the held-out good pictures, so each picture is judged at the point of the other half of their
    groups.
    """

    onnx: Path
    weights: Path
    metrics: Path
    card: Path
    spec: ModelSpec
    evaluation: Evaluation
    at_point: AtPoint
    false_alarms: float  # the share of good views that was asked for
    trained_on: int
    skipped: tuple[Skipped, ...]
    seconds: float


def train_annotated(
    data: Annotations,
    out: Path,
    plan: StripPlan,
    *,
    false_alarms: float | str,
    mm_per_pixel: float | None = None,
    on_step: Callable[[StripProgress], None] | None = None,
) -> AnnotatedResult:
    """Train, write the files to ``out``, and judge the held-out pictures with the ONNX file.

    Raises:
        ConfigError: see ``operating_point.false_alarm_share``.
        DataError, ModelError, TrainingError: see ``strip.train.train_strip``.
    """
    _, held_out = data.split(plan.seed, plan.held_out)
    share = false_alarm_share(false_alarms, data, held_out, plan.view, mm_per_pixel)
    trained = train_strip(data, out, replace(plan, false_alarms=share), on_step=on_step)
    engine = open_engine(trained.onnx, "onnxruntime")
    judged = scored(data, held_out, engine)
    point = engine.spec.operating_point
    assert point is not None, "train_strip fits one"
    return AnnotatedResult(
        onnx=trained.onnx,
        weights=trained.weights,
        metrics=trained.metrics,
        card=trained.card,
        spec=engine.spec,
        evaluation=evaluate(judged.labels, judged.probabilities.astype(np.float64), engine.spec.classes),
        at_point=at_point(judged, engine.spec, point, share),
        false_alarms=share,
        trained_on=trained.trained_on,
        skipped=data.skipped,
        seconds=trained.seconds,
    )


def held_out_by_group(listing: Listing, seed: int, limits: LimitSettings | None = None) -> HoldOut:
    """The rule that holds out whole groups of pictures without places, for ``training.train``."""
    data = listing.annotations(limits)
    held_out = {data.items[index].digest for index in data.split(seed)[1]}
    groups = "groups of the manifest" if listing.rule is None else f"groups by {listing.rule.pattern!r}"
    which = hashlib.sha256(b"".join(sorted(held_out))).hexdigest()[:12]  # other groups are another training
    return HoldOut(f"{SPLIT_RULE.format(share=HELD_OUT, seed=seed)}; {groups} ({which})", held_out.__contains__)
