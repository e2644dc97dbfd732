"""What a training of a strip model is asked to do."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from steelflow.engine import Engine
from steelflow.engine.onnx import OnnxEngine
from steelflow.errors import ConfigError, DataError
from steelflow.models import architecture
from steelflow.models.dense import DenseNetwork
from steelflow.models.shipped import resolve
from steelflow.models.spec import ModelSpec
from steelflow.models.weights_file import digest_of
from steelflow.training.annotations import Annotations
from steelflow.training.method import best_device
from steelflow.training.precision import Wanted
from steelflow.training.strip.draw import StripAugmentation
from steelflow.training.strip.schedule import Schedule

ARCH = "strip_light"
FALSE_ALARMS = 0.005
_STEPS = 2500
_NAMED = ("pretrained", "start", "teacher", "device", "held_out", "false_alarms", "operating_point")
"""Fields that are in the fingerprint otherwise, or do not decide the weights."""


@dataclass(frozen=True, slots=True)
class StripPlan:
    """How to train. The defaults suit a few hundred to a few thousand pictures.

    ``epochs`` (of as many views as there are training pictures) or ``steps`` set the length of a round. Each further
    round begins with the weights of the one before, at half of its rate and with new views for the teacher (I.
    Loshchilov and F. Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts"). ``false_alarms`` is the
    share of good views that may be above the operating point. ``pretrained`` is a file of MobileNetV2's weights for
    ``strip_wide``. ``start`` are the weights (.safetensors) of a model of the same architecture, from which training
    starts. ``teacher`` is a dense model with the same classes, by name or path, from which to distil.
    ``operating_point`` replaces the fitted one. ``device`` is ``cpu`` or ``cuda``, by default a GPU if there is one; on
    the CPU, equal seeds give identical weights.
    """

    arch: str = ARCH
    name: str = "strip"
    seed: int = 0
    steps: int | None = None
    epochs: int | None = None
    rounds: int = 1
    batch: int = 16
    rate: float = 4e-3
    precision: Wanted = "fp32"
    held_out: float = 0.2
    false_alarms: float = FALSE_ALARMS
    view: int = 256
    sharpness: float = 4.0
    augmentation: StripAugmentation = field(default_factory=StripAugmentation)
    pretrained: Path | None = None
    start: Path | None = None
    teacher: str | None = None
    pool: int = 4000  # views that the teacher judges
    operating_point: float | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        """The side of training views is ``view``. Raises ``ConfigError`` for a value out of its range."""
        geometry = replace(self.augmentation.geometry, side=self.view)
        object.__setattr__(self, "augmentation", replace(self.augmentation, geometry=geometry))
        if self.view % 32 or not 64 <= self.view <= 1024:
            raise ConfigError(f"view is {self.view}; it must be a multiple of 32 from 64 to 1024")
        if not 0 <= self.held_out < 1:
            raise ConfigError(f"held_out is {self.held_out}; it must be from 0 to below 1")
        if not 0 <= self.false_alarms < 1:
            raise ConfigError(f"false_alarms is {self.false_alarms}; it must be from 0 to below 1, such as 0.005")
        if self.steps is not None and self.epochs is not None:
            raise ConfigError("give steps or epochs, not both")
        for name in ("steps", "epochs", "rounds", "batch", "pool"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; it must be at least 1")

    def schedules(self, pictures: int) -> list[Schedule]:
        """One for each round, for so many training pictures."""
        steps = self.steps or (math.ceil(self.epochs * pictures / self.batch) if self.epochs else _STEPS)
        rates = [self.rate / 2**turn for turn in range(self.rounds)]
        return [Schedule(steps=steps, batch=self.batch, rate=rate) for rate in rates]

    def spec(self, annotations: Annotations) -> ModelSpec:
        """Of the model before training. Raises ``DataError`` for data without good pictures or without defects,
        ``ModelError`` for an architecture that is not dense."""
        if not annotations.good or len(annotations.classes) <= len(annotations.good):
            raise DataError(
                f"{annotations.root}: has no {'good' if not annotations.good else 'defect'} class; a model of strip "
                "learns defects against good surface: add such pictures, or name the good classes with --good"
            )
        network = dense_network(self.arch, len(annotations.classes), self.view)
        return ModelSpec(
            name=self.name,
            arch=self.arch,
            classes=annotations.classes,
            input_size=self.view,
            embedding_dims=min(network.feature_dims, 32),
            good=annotations.good,
            view=self.view,
            sharpness=self.sharpness,
        )

    def fingerprint(self, annotations: Annotations, parts: tuple[Sequence[int], Sequence[int]]) -> dict[str, Any]:
        """Everything that decides the weights. A checkpoint belongs to one fingerprint.

        Raises:
            ModelError: a file of weights or the teacher is not there.
        """
        training = ",".join(str(number) for number in parts[0])
        files = {"pretrained": self.pretrained, "start": self.start}
        return {
            "plan": {key: value for key, value in asdict(self).items() if key not in _NAMED},
            "data": annotations.hash,
            "classes": list(annotations.classes),
            "good": list(annotations.good),
            "training": hashlib.sha256(training.encode()).hexdigest(),
            "groups": hashlib.sha256("\0".join(item.group for item in annotations.items).encode()).hexdigest(),
            **{name: None if file is None else digest_of(file) for name, file in files.items()},
            "teacher": None if self.teacher is None else digest_of(resolve(self.teacher)),
            "device": best_device(self.device).type,
            "torch": str(torch.__version__),
        }

    def load_teacher(self, spec: ModelSpec) -> Engine | None:
        """Raises ``ConfigError`` if the teacher has other classes, or no map."""
        if self.teacher is None:
            return None
        engine = OnnxEngine(resolve(self.teacher))
        theirs = engine.spec
        if (theirs.classes, theirs.good) != (spec.classes, spec.good) or theirs.sharpness is None:
            raise ConfigError(
                f"teacher {self.teacher}: has the classes {', '.join(theirs.classes)} "
                f"(good: {', '.join(theirs.good)}); a teacher has a map, and the classes of the data: "
                f"{', '.join(spec.classes)}"
            )
        return engine


def dense_network(arch: str, classes: int, view: int) -> DenseNetwork:
    """Raises ``ConfigError`` if the architecture has no map."""
    network = architecture(arch).build(classes, view)
    if not isinstance(network, DenseNetwork):
        raise ConfigError(
            f"{arch} judges whole pictures; for strip take an architecture with a map: {ARCH}, strip_wide"
        )
    return network
