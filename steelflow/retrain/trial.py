"""A challenger on trial: does it run, is it the network that was trained, is it better than the champion, and fast?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from steelflow.config import Settings
from steelflow.engine import Engine, open_engine
from steelflow.errors import EngineError, ModelError
from steelflow.images.decode import decode, resize
from steelflow.labels import Classes, LabelStore
from steelflow.models.seen import among, trained_on
from steelflow.models.shipped import shipped
from steelflow.records import Failure
from steelflow.registry import Version
from steelflow.retrain.candidates import Candidate
from steelflow.retrain.due import new_labels
from steelflow.retrain.gate import Answers, Gate, compare, decide, together
from steelflow.retrain.judging import answers, relative_speed
from steelflow.retrain.material import Material
from steelflow.retrain.retraining import Retraining

GOLDEN = "golden set"
RECENT = "recent labels"
_PARITY_IMAGES = 64


def try_out(run: Retraining, material: Material, best: Candidate, champion: Path) -> Gate:
    """Judge the better candidate on the golden set, and on the labels that the champion was not trained on.

    Raises:
        As ``Trial.judge``.
    """
    run.tell(f"the model {best.kind} against the champion")
    seen = None if run.champion is None else run.champion.data_hash
    recent = new_labels(run.labels, material.snapshot, seen).filter(pl.col("part") == "evaluation")
    sets = {GOLDEN: material.golden.frame, RECENT: recent}
    return Trial(run.settings, run.labels, sets, accuracy_elsewhere(run.champion)).judge(champion, best.onnx)


def accuracy_elsewhere(champion: Version | None) -> float | None:
    """The champion's accuracy on images that it had not seen, as far as it is known."""
    if champion is None:
        return None
    known, measured = shipped(champion.digest), champion.metrics.get("accuracy")
    if known is not None:
        return known.accuracy
    return measured if isinstance(measured, float) else None


@dataclass(frozen=True, slots=True)
class Trial:
    """The images to judge by. ``sets`` maps a name to a frame with the columns image (SHA-256) and label. ``elsewhere``
    is the champion's accuracy on images that it had not seen, None if it is not known."""

    settings: Settings
    labels: LabelStore
    sets: Mapping[str, pl.DataFrame]
    elsewhere: float | None = None

    def judge(self, champion: Path, challenger: Path) -> Gate:
        """The decision on two ONNX files. A challenger that cannot be run, or differs from the torch weights beside it,
        is refused without a comparison.

        Raises:
            ModelError, EngineError: the champion cannot be run.
            LabelError: an image of the label store is damaged.
        """
        kind, meaning = self.settings.model.engine, self.labels.class_names()
        before = open_engine(champion, kind)
        try:
            after = open_engine(challenger, kind)
            self._check_parity(challenger)
        except (ModelError, EngineError) as exc:
            return Gate(comparisons=(), speed=0.0, problems=(f"it cannot be trusted: {exc}",))
        learned, learnt_after = trained_on(champion, before.digest), trained_on(challenger, after.digest)
        pairs: list[tuple[Answers, Answers]] = []
        comparisons = []
        for name, frame in self.sets.items():
            truth = frame["label"].to_list()
            pair = self._answers(before, frame, truth, meaning), self._answers(after, frame, truth, meaning)
            known = among(learned, [bytes.fromhex(image) for image in frame["image"]])
            proof = ~known & ~among(learnt_after, [bytes.fromhex(image) for image in frame["image"]])
            pairs.append((pair[0].only(proof), pair[1].only(proof)))
            rules = self.settings.retrain
            comparisons.append(compare(name, truth, *pair, rules, remembered=known, elsewhere=self.elsewhere))
        old, new = together([pair[0] for pair in pairs]), together([pair[1] for pair in pairs])
        return decide(comparisons, old, new, relative_speed(after, before), self.settings.retrain)

    def _answers(self, engine: Engine, frame: pl.DataFrame, truth: list[str], meaning: Classes) -> Answers:
        images = self.labels.images.get_many(frame["image"].to_list())
        return answers(
            engine, images, truth, self.settings.limits, meaning, self.labels.limits_of(self.settings.limits)
        )

    def _check_parity(self, challenger: Path) -> None:
        """ONNX and torch have to give the same logits for real images, if there are torch weights. Raises
        ``ModelError``."""
        weights = challenger.with_suffix(".safetensors")
        if not weights.is_file():
            return
        from steelflow.models.deployable import load_torch
        from steelflow.training.export import TOLERANCE, parity

        model, spec = load_torch(weights)
        pictures, limits_of = [], self.labels.limits_of(self.settings.limits)
        for frame in self.sets.values():
            for image, data in self.labels.images.get_many(frame["image"].head(_PARITY_IMAGES).to_list()):
                grey = decode(data, limits_of(image))
                if not isinstance(grey, Failure):
                    pictures.append(resize(grey, spec.input_size))
        if pictures and not (difference := parity(model, challenger, np.stack(pictures)[:, None])) <= TOLERANCE:
            raise ModelError(
                f"{challenger}: differs from {weights.name} by {difference:.1e} in a logit, {TOLERANCE:.0e} is"
                " allowed; export it again"
            )
