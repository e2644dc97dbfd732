"""The candidates of a retraining: the selected architecture from scratch, and the champion fine-tuned.

Each has its own folder in the workplace. A retraining that was killed resumes from the last checkpoint there, and does
not train a finished candidate again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steelflow.config import LimitSettings
from steelflow.errors import ConfigError, ModelError, TrainingError
from steelflow.labels.snapshot import HELD_OUT_RULE, is_held_out
from steelflow.retrain.material import Material
from steelflow.retrain.retraining import Progress, Retraining, Tell
from steelflow.retrain.unseen import figures, unseen
from steelflow.retrain.workplace import lay_out

_TUNING_SHARE = 0.25  # of the epochs from scratch
_FEWEST_EPOCHS = 5
_MOST_OFTEN = 8


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained model: its ONNX file, with weights, card, curves and metrics.json beside it. The figures are those on
    the held-out labels. ``unseen`` has those on the labels among them that trained no candidate; None if that is all of
    them, or too few."""

    kind: str  # from scratch | fine-tuned
    onnx: Path
    metrics: dict[str, Any]
    unseen: dict[str, Any] | None = None

    @property
    def proof(self) -> dict[str, Any]:
        """The figures that count."""
        found: dict[str, Any] = self.metrics["held_out"] if self.unseen is None else self.unseen
        return found

    @property
    def accuracy(self) -> float:
        return float(self.proof["accuracy"])

    @property
    def merit(self) -> tuple[float, float]:
        """The better candidate has the higher accuracy, or as high a one and the higher F1 over its classes."""
        return self.accuracy, float(self.proof["macro_f1"])

    @property
    def figures(self) -> dict[str, Any]:
        """On the held-out labels, with the epochs that it was trained for."""
        proof = {} if self.unseen is None else {"unseen": self.unseen}
        return {**self.metrics["held_out"], **proof, "epochs": len(self.metrics["curves"]["epoch"])}

    @property
    def for_manifest(self) -> dict[str, Any]:
        """The figures that a version's manifest keeps."""
        return {name: self.proof[name] for name in ("images", "accuracy", "macro_f1", "ece")}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be trained, on which images.

    ``data`` has a folder per class. ``is_held_out`` takes an image's SHA-256 and says whether it is kept for
    evaluation; ``rule`` says so in words. ``is_new`` says whether it came after the last retraining: new images are
    shown more often, see ``times``.
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
    limits: LimitSettings | None = None


def candidates(run: Retraining, material: Material, work: Path, champion: Path) -> list[Candidate]:
    """Train on the material in the folder ``work``; the better candidate comes first.

    Raises:
        As ``train_candidates``.
    """
    run.tell(f"{material.snapshot.frame.height:,} labelled images and {material.golden.frame.height:,} golden ones")
    new = {bytes.fromhex(image) for image in material.fresh["image"]}
    sacred = {bytes.fromhex(image) for image in material.golden.chosen["image"]}
    plan = Plan(
        data=lay_out(run, material, work),
        work=work,
        arch=run.settings.selection.arch,
        champion=champion if champion.with_suffix(".safetensors").is_file() else None,
        epochs=run.settings.retrain.epochs,
        rule=f"the golden set ({material.golden.hash[:12]}), and of the others {HELD_OUT_RULE}",
        is_held_out=lambda digest: digest in sacred or is_held_out(digest),
        is_new=new.__contains__,
        limits=run.settings.limits,
        about=f"Labels of {run.labels.uri}, snapshot {material.snapshot.hash[:12]}.",
    )
    return train_candidates(plan, run.tell, run.progress)


def times(images: int, new: int) -> int:
    """How often each of ``new`` images is shown in an epoch of ``images``: until new images are a third of all that is
    shown, at most eight times. Otherwise a few hundred images of a drifted line would be lost among years of others."""
    return min(max(round((images - new) / (2 * new)), 1), _MOST_OFTEN) if new else 1


def train_candidates(plan: Plan, tell: Tell, progress: Progress) -> list[Candidate]:
    """Train them; the better one comes first. There is no fine-tuned one if the champion cannot be fine-tuned.

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
                    limits=plan.limits,
                ),
                folder,
                on_epoch=lambda p: watch(p.epoch, p.epochs, p.loss),
            )
        return Candidate(kind, done, json.loads((folder / "metrics.json").read_text()))

    found = [one("from scratch", None, epochs, 0)]
    if plan.champion is not None:
        try:
            found.append(one("fine-tuned", plan.champion, tuning, epochs))
        except (ModelError, TrainingError) as exc:  # another architecture, no torch weights, a loss that diverges
            tell(f"the champion is not fine-tuned: {exc}")
    return sorted(_fairly(found, plan, tell), key=lambda candidate: candidate.merit, reverse=True)


def _fairly(found: list[Candidate], plan: Plan, tell: Tell) -> list[Candidate]:
    """The candidates with their figures on held-out images that trained none of them."""
    if len(found) == 1:
        return found
    digests = {file: hashlib.sha256(file.read_bytes()).digest() for file in sorted(plan.data.glob("*/*"))}
    held_out = [file for file, digest in digests.items() if plan.is_held_out(digest)]
    own = unseen([one.onnx for one in found], [digests[file] for file in held_out])
    if own is None:
        return found
    proof = [file for file, counts in zip(held_out, own, strict=True) if counts]
    tell(f"{len(proof):,} of {len(held_out):,} held-out images trained no candidate: the better one is chosen by them")
    return [replace(one, unseen=figures(one.onnx, plan.data, proof, plan.limits).to_dict()) for one in found]
