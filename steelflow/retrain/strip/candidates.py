"""The candidates of a retraining on frames: the model of strip that ships, trained further on the labels (one from
scratch, where its views have another side); and the champion, trained further."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steelflow.engine import open_engine
from steelflow.errors import ConfigError, ModelError, TrainingError
from steelflow.models.shipped import SHIPPED, WEIGHTS
from steelflow.models.spec import ModelSpec
from steelflow.retrain.retraining import Retraining, Tell
from steelflow.retrain.unseen import unseen
from steelflow.training.annotations import Annotations

ARCH = "strip_light"
_SHIPPED = "strip"
_NAME = "strip"
_VIEWS = 60  # shown of each frame, about
_FEWEST_STEPS, _MOST_STEPS = 400, 2500
_BATCH = 16
_TUNING_SHARE = 0.4  # of the steps from scratch
_VIEW = 256


@dataclass(frozen=True, slots=True)
class StripCandidate:
    """A trained model of views, with its card and metrics beside it. The figures are those on the coils that its
    training held out. ``unseen`` has those on the frames among them that trained no candidate; None if these are all,
    or too few."""

    kind: str  # from the shipped weights | from scratch | fine-tuned
    onnx: Path
    metrics: dict[str, Any]
    unseen: dict[str, Any] | None = None

    @property
    def proof(self) -> dict[str, Any]:
        """The figures that count."""
        return self.unseen or self.metrics["held_out"] or {}

    @property
    def merit(self) -> tuple[float, float]:
        """The better candidate separates better, or as well and finds more."""
        return self.proof.get("auc") or 0.0, self.proof.get("recall") or 0.0

    @property
    def figures(self) -> dict[str, Any]:
        proof = {} if self.unseen is None else {"unseen": self.unseen}
        return {**(self.metrics["held_out"] or {}), **proof, "steps": self.metrics["recipe"]["steps"]}

    @property
    def for_manifest(self) -> dict[str, Any]:
        named = {name: self.proof.get(name) for name in ("auc", "recall", "false_alarms")}
        return {"images": self.proof.get("images", self.metrics["images"]["held_out"]), **named}


def suited_steps(frames: int) -> int:
    """Steps of training for so many labelled frames."""
    return min(max(frames * _VIEWS // _BATCH, _FEWEST_STEPS), _MOST_STEPS)


def strip_candidates(
    run: Retraining, data: Annotations, work: Path, champion: Path, spec: ModelSpec
) -> list[StripCandidate]:
    """Train them in ``work``; the better one comes first. A candidate that is finished there is not trained again.

    The champion is trained further if it has the same architecture, and the weights beside its ONNX file.

    Raises:
        ConfigError: torch is not installed.
        DataError, TrainingError: as ``training.strip.train.train_strip``.
    """
    try:
        from steelflow.training.strip.fit import StripProgress
        from steelflow.training.strip.plan import StripPlan
        from steelflow.training.strip.train import train_strip
    except ImportError as exc:
        raise ConfigError(f"retraining needs {exc.name}; install it with `pip install 'steelflow[train]'`") from exc

    epochs, view = run.settings.retrain.epochs, _view(spec)
    steps = suited_steps(len(data.items)) if epochs is None else max(1, epochs * len(data.items) // _BATCH)
    weights = champion.with_suffix(".safetensors")
    tuned = spec.arch == ARCH and weights.is_file()
    tuning = max(1, round(_TUNING_SHARE * steps)) if tuned else 0

    def one(kind: str, start: Path | None, wanted: int, before: int) -> StripCandidate:
        def watch(done: StripProgress) -> None:
            if done.step % 20 == 0 or done.step == done.steps:
                run.tell(f"{kind}: step {done.step} of {done.steps}, loss {done.loss:.3f}")
                run.progress((before + done.step) / (steps + tuning))

        folder = work / kind.replace(" ", "-")
        onnx = folder / f"{_NAME}.onnx"
        if not onnx.is_file():  # it is moved there last
            plan = StripPlan(arch=ARCH, name=_NAME, steps=wanted, view=view, start=start)
            train_strip(data, folder, plan, on_step=watch)
        return StripCandidate(kind, onnx, json.loads(onnx.with_suffix(".json").read_text()))

    shipped = _shipped(view)
    found = [one("from scratch" if shipped is None else "from the shipped weights", shipped, steps, 0)]
    if tuned:
        try:
            found.append(one("fine-tuned", weights, tuning, steps))
        except (ModelError, TrainingError) as exc:
            run.tell(f"the champion is not trained further: {exc}")
    plan = StripPlan()
    fair = fairly(found, data, data.split(plan.seed, plan.held_out)[1], run.tell)
    return sorted(fair, key=lambda candidate: candidate.merit, reverse=True)


def fairly(found: list[StripCandidate], data: Annotations, held_out: Sequence[int], tell: Tell) -> list[StripCandidate]:
    """The candidates with their figures on held-out frames that trained none of them."""
    own = unseen([one.onnx for one in found], [data.items[i].digest for i in held_out]) if len(found) > 1 else None
    proof = [i for i, counts in zip(held_out, own, strict=True) if counts] if own is not None else []
    kinds = {data.items[i].label in data.good for i in proof if not data.items[i].doubtful(data.good)}
    if len(kinds) < 2:
        return found
    tell(f"{len(proof):,} of {len(held_out):,} held-out frames trained no candidate: the better one is chosen by them")
    return [replace(one, unseen=_figures(one.onnx, data, proof)) for one in found]


def _figures(onnx: Path, data: Annotations, frames: Sequence[int]) -> dict[str, Any]:
    from steelflow.training.operating_point import at_point, scored  # they import torch

    engine = open_engine(onnx)
    point = engine.spec.operating_point
    judged = scored(data, frames, engine)
    found = at_point(judged, engine.spec, 0.5 if point is None else point)
    return {
        "images": len(judged.labels),
        "auc": found.auc,
        "recall": found.recall,
        "false_alarms": found.good_alarms / found.good_pictures,
    }


def _view(spec: ModelSpec) -> int:
    """The side of the champion's views, if the architecture can have it."""
    return spec.view if spec.view and spec.view % 32 == 0 and 64 <= spec.view <= 1024 else _VIEW


def _shipped(view: int) -> Path | None:
    """The weights of the model of strip that ships, if it is for views of this side."""
    return WEIGHTS / f"{_SHIPPED}.safetensors" if _SHIPPED in SHIPPED and view == _VIEW else None
