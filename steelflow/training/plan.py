"""The plan of a training, and the checked plan with all models loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from steelflow.config import LimitSettings
from steelflow.errors import ConfigError, DataError
from steelflow.models import Architecture, architecture
from steelflow.models.weights_file import origin_of
from steelflow.training.data import HELD_OUT, SPLIT_RULE, Dataset, Indices
from steelflow.training.distil import Ensemble, TeacherModel, load_teacher
from steelflow.training.method import Method, best_device
from steelflow.training.precision import Wanted, checked
from steelflow.training.recipe import Recipe
from steelflow.training.transfer import Phases
from steelflow.training.unlabelled import Unlabelled, load_unlabelled

_IMAGES_SEEN = 160 * 1152  # docs/results/ssdc_mininet-seeds.json
_FEW_IMAGES_SEEN = 80_000  # docs/results/mobilesteelnet-steelnet-ours-15-a-class.json
_TUNING_RATE = 1 / 6


@dataclass(frozen=True, slots=True)
class HoldOut:
    """A rule for the held-out images: ``is_held_out`` takes the SHA-256 of an image; ``rule`` is the rule in words.

    ``times`` takes the SHA-256 of an image and returns how often the image is used in an epoch.
    """

    rule: str
    is_held_out: Callable[[bytes], bool]
    times: Callable[[bytes], int] = lambda _: 1

    def split(self, data: Dataset) -> tuple[Indices, Indices]:
        """Training indices (some repeated) and held-out indices.

        Raises:
            DataError: one of the two parts would be empty.
        """
        held_out = np.array([self.is_held_out(digest) for digest in data.digests])
        if held_out.all() or not held_out.any():
            raise DataError(
                f"{held_out.sum()} of {len(held_out)} images would be held out ({self.rule}); label more images"
            )
        training = np.flatnonzero(~held_out)
        return np.repeat(training, [self.times(data.digests[i]) for i in training]), np.flatnonzero(held_out)


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What to train, and how. Only ``arch`` is required.

    Attributes:
        arch: name in the catalogue.
        epochs: passes over the training part; ``suited_epochs`` when neither this nor a recipe is given.
        seed: decides the split, the initial weights, the order and the augmentation.
        name: name of the model and its files; ``arch`` when not given.
        input_size: S; images are resized to S×S pixels. Default: the size of ``start``, else of the architecture.
        recipe: the schedule and the augmentation; the usual recipe of the architecture when not given.
        changes: fields of the recipe to change.
        teachers: models (shipped names or ONNX files) whose mean probability is a second training target.
        unlabelled: a folder of pictures without labels, for which it is the only one.
        pretrained: start from ImageNet weights, torchvision's or a file, and fine-tune in two phases.
        start: the model (a shipped name or an ONNX file) to fine-tune, at a sixth of the usual rate.
        hold_out: the rule for the held-out images; a fifth by seed when not given.
        on_all: train a second time, on all images. This model is written; the figures are those of the first.
        phases: phases of the fine-tuning, with their own epochs and rates; ``epochs`` are divided between them.
        device: ``cpu`` or ``cuda``; a GPU if there is one, when not given.
        precision: of the training steps: ``fp32``, ``bf16``, or ``auto``, the faster of the two for this network on
            this machine. With ``auto``, another machine may choose differently and get other weights.
        about: description and citation of the data, for the model card.
        limits: how the images are decoded; the defaults of the settings when not given.
    """

    arch: str
    _: KW_ONLY
    epochs: int | None = None
    seed: int = 0
    name: str | None = None
    input_size: int | None = None
    recipe: Recipe | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    teachers: Sequence[str] = ()
    unlabelled: Path | None = None
    pretrained: bool | Path = False
    start: str | None = None
    hold_out: HoldOut | None = None
    on_all: bool = False
    phases: Phases | None = None
    device: str | None = None
    precision: Wanted = "fp32"
    about: str = ""
    limits: LimitSettings | None = None

    def ready(self) -> Ready:
        """Check the plan and load its models, before any image is read.

        Raises:
            ConfigError: an argument is out of range, or has no effect together with another argument.
            ModelError: no such architecture, teacher or start.
        """
        if self.epochs is not None and self.epochs < 1:
            raise ConfigError(f"epochs is {self.epochs}; give at least 1")
        entry = architecture(self.arch)
        if self.unlabelled is not None and not self.teachers:
            raise ConfigError(
                f"{self.unlabelled}: nobody says what the pictures without labels show; train a model on the labels "
                "first, and name it as a teacher"
            )
        start = None if self.start is None else load_teacher(self.start)
        if start is not None and self.pretrained:
            raise ConfigError("a network cannot start from ImageNet weights and from a model; give only one of them")
        phases = self.phases
        if self.pretrained or phases:
            if "learning_rate" in self.changes:
                raise ConfigError("fine-tuning uses the learning rates of its two phases; omit the learning rate")
            phases = (phases or Phases()).within(self.epochs) if self.epochs else phases or Phases()
        if self.on_all and self.changes.get("patience", self.recipe.patience if self.recipe else 0):
            raise ConfigError("patience needs a validation part, and --on-all has none; omit one of them")
        size = self.input_size or (entry.input_size if start is None else start.spec.input_size)
        if not 32 <= size <= 1024:
            raise ConfigError(f"input size is {size}; give 32 to 1024 pixels")
        return Ready(
            plan=self,
            name=self.name or self.arch,
            input_size=size,
            recipe=replace(self.recipe or _usual(entry, start), **self.changes),
            start=start,
            teachers=tuple(load_teacher(ref) for ref in self.teachers),
            phases=phases,
            device=best_device(self.device),
            precision=checked(self.precision),
            origin=origin_of(self.pretrained),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A checked plan. Only the number of epochs may still depend on the number of images."""

    plan: TrainingPlan
    name: str
    input_size: int
    recipe: Recipe
    start: TeacherModel | None
    teachers: tuple[TeacherModel, ...]
    phases: Phases | None
    device: torch.device
    precision: Wanted
    origin: bool | dict[str, str]  # of the pretrained weights

    def recipe_for(self, images: int, unlabelled: int = 0) -> Recipe:
        """The recipe with its epochs, for these numbers of images."""
        plan = self.plan
        usual = self.recipe.epochs if plan.recipe else suited_epochs(round((1 - HELD_OUT) * images) + unlabelled)
        return replace(self.recipe, epochs=plan.epochs or usual)

    def method(self, classes: tuple[str, ...], unlabelled: Unlabelled | None = None) -> Method:
        return Method(
            unlabelled=None if unlabelled is None else unlabelled.images,
            pretrained=self.plan.pretrained,
            start=self.start,
            teacher=Ensemble(list(self.teachers), classes) if self.teachers else None,
            phases=self.phases,
            device=self.device,
            precision=self.precision,
        )

    def unlabelled(self, data: Dataset) -> Unlabelled | None:
        """The pictures without labels, without those of ``data``. Raises ``DataError``, see ``load_unlabelled``."""
        folder = self.plan.unlabelled
        return None if folder is None else load_unlabelled(folder, self.input_size, data.digests, self.plan.limits)

    def parts(self, data: Dataset) -> tuple[Indices, Indices] | None:
        """Training and held-out indices by the plan's own rule; None for the usual fifth."""
        return None if self.plan.hold_out is None else self.plan.hold_out.split(data)

    @property
    def split_rule(self) -> str:
        if self.plan.hold_out is not None:
            return self.plan.hold_out.rule
        return SPLIT_RULE.format(share=HELD_OUT, seed=self.plan.seed)

    def fingerprint(self, data: Dataset, recipe: Recipe, unlabelled: Unlabelled | None = None) -> dict[str, Any]:
        """Everything that decides the weights. A checkpoint belongs to one fingerprint."""
        plan = self.plan
        return {
            "arch": plan.arch,
            "data": data.hash,
            "seed": plan.seed,
            "input_size": self.input_size,
            "recipe": asdict(recipe),
            "teachers": [teacher.digest for teacher in self.teachers],
            "pretrained": self.origin,
            "start": None if self.start is None else self.start.digest,
            "hold_out": None if plan.hold_out is None else plan.hold_out.rule,
            "phases": None if self.phases is None else asdict(self.phases),
            "device": self.device.type,
            "precision": self.precision,
            "torch": str(torch.__version__),
            **({} if unlabelled is None else {"unlabelled": unlabelled.hash}),
            **({"sample_bits": plan.limits.sample_bits} if plan.limits and plan.limits.sample_bits else {}),
        }


def suited_epochs(images: int) -> int:
    """Passes that show about 184,000 images; five seeds on 1,152 images reached 99.9 % with this. At least 20.

    At most 200, unless 200 passes would show fewer than 80,000 images.
    """
    images = max(images, 1)
    return min(max(round(_IMAGES_SEEN / images), 20), max(200, round(_FEW_IMAGES_SEEN / images)))


def _usual(entry: Architecture, start: TeacherModel | None) -> Recipe:
    usual = Recipe() if entry.learning_rate is None else Recipe(learning_rate=entry.learning_rate)
    return usual if start is None else replace(usual, learning_rate=usual.learning_rate * _TUNING_RATE)
