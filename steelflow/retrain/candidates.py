"""The candidates of a retraining: the selected architecture from scratch, and the champion fine-tuned.

Each is trained in a folder of its own, named after all that decides its weights: a retraining that was killed goes on
where it was, and a candidate that is done is not trained again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelflow.errors import ConfigError, ModelError, TrainingError

_TUNING_SHARE = 0.25  # of the epochs from scratch
_FEWEST_EPOCHS = 5
_MOST_OFTEN = 8


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained model: its ONNX file, with weights, card, curves and metrics.json beside it; its figures are those on
    the held-out part of the labels."""

    kind: str  # from scratch | fine-tuned
    onnx: Path
    metrics: dict[str, Any]

    @property
    def accuracy(self) -> float:
        return float(self.metrics["held_out"]["accuracy"])

    @property
    def merit(self) -> tuple[float, float]:
        """What the better of two has more of: accuracy, then the F1 of its classes."""
        return self.accuracy, float(self.metrics["held_out"]["macro_f1"])


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be trained, on what.

    ``data`` is a folder per class; ``is_held_out`` says of an image's SHA-256 whether it is kept for evaluation, by
    ``rule``, and ``is_new`` whether it came after the last retraining: new ones are shown more often, see ``times``.
    """

    data: Path
    work: Path
    arch: str
    champion: Path | None  # ONNX file with its safetensors beside it
    epochs: int | None
    rule: str
    is_held_out: Callable[[bytes], bool]
    is_new: Callable[[bytes], bool]
    about: str
    seed: int = 0


Tell = Callable[[str], None]
Progress = Callable[[float], None]
"""Is told the share of the epochs that is done, 0 to 1."""


def times(images: int, new: int) -> int:
    """How often a new image is shown in an epoch, of ``images`` with ``new`` among them: so often that they are a third
    of what is shown, and no more than eight times. A few hundred images of a drifted line would be lost among years of
    others."""
    return min(max(round((images - new) / (2 * new)), 1), _MOST_OFTEN) if new else 1


def train_candidates(plan: Plan, tell: Tell, progress: Progress) -> list[Candidate]:
    """Train them, the better one first. The fine-tuned one is left out where the champion does not allow it.

    Raises:
        ConfigError: torch is not installed.
        DataError, TrainingError: as ``training.train.train``.
    """
    try:
        from steelflow.training.train import HoldOut, TrainingPlan, suited_epochs, train
    except ImportError as exc:
        raise ConfigError(f"retraining needs {exc.name}; install it with `pip install 'steelflow[train]'`") from exc

    digests = [hashlib.sha256(file.read_bytes()).digest() for file in plan.data.glob("*/*")]
    training = [digest for digest in digests if not plan.is_held_out(digest)]
    often = times(len(training), sum(map(plan.is_new, training)))
    shown = sum(often if plan.is_new(digest) else 1 for digest in training)
    epochs = plan.epochs or suited_epochs(shown)
    rule = plan.rule if often == 1 else f"{plan.rule}; new images are shown {often} times an epoch"
    hold_out = HoldOut(rule, plan.is_held_out, lambda digest: often if plan.is_new(digest) else 1)

    tuning = max(_FEWEST_EPOCHS, round(_TUNING_SHARE * epochs)) if plan.champion is not None else 0

    def one(kind: str, start: Path | None, passes: int, before: int) -> Candidate:
        def watch(epoch: int, epochs_of_this: int, loss: float) -> None:
            tell(f"{kind}: epoch {epoch} of {epochs_of_this}, loss {loss:.3f}")
            progress((before + epoch) / (epochs + tuning))

        folder = plan.work / kind.replace(" ", "-")
        done = folder / f"{plan.arch}.onnx"
        if not done.is_file():  # it is moved there last
            train(
                plan.data,
                TrainingPlan(
                    plan.arch,
                    epochs=passes,
                    seed=plan.seed,
                    start=None if start is None else str(start),
                    hold_out=hold_out,
                    about=plan.about,
                ),
                folder,
                on_epoch=lambda p: watch(p.epoch, p.epochs, p.loss),
            )
        return Candidate(kind, done, json.loads((folder / "metrics.json").read_text()))

    found = [one("from scratch", None, epochs, 0)]
    if plan.champion is not None:
        try:
            found.append(one("fine-tuned", plan.champion, tuning, epochs))
        except (ModelError, TrainingError) as exc:  # another architecture, no torch weights, a loss that breaks
            tell(f"the champion is not fine-tuned: {exc}")
    return sorted(found, key=lambda candidate: candidate.merit, reverse=True)
