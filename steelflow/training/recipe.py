"""The training recipe. It covers the papers' protocols; options that only the papers use are off by default."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from steelflow.errors import ConfigError
from steelflow.training.augment import Augmentation


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train. The defaults suit a few hundred images per class.

    Raises:
        ConfigError: a value is out of its range.
    """

    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 6e-3
    weight_decay: float = 0.05
    warmup: float = 0.1  # share of the steps
    label_smoothing: float = 0.05
    averaging: float = 0.03  # length of the moving average, as a share of the steps; 0: no average, the last weights
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    momentum: float = 0.9  # for sgd
    schedule: Literal["cosine", "constant", "step"] = "cosine"  # after the warm-up
    step_epochs: int = 30  # for the step schedule: epochs between two reductions of the rate
    step_factor: float = 0.1  # for the step schedule: the factor of each reduction
    class_weighting: bool = True  # see ``loss.class_weights``; no effect if all classes have the same size
    mixup: float = 0.0  # α of its Beta distribution; 0: off. If both are on, each batch uses one of them
    cutmix: float = 0.0
    patience: int = 0  # stop after this many epochs without a smaller validation loss; 0: never
    distillation: float = 0.9  # a, the share of the teacher in the loss, if there is one
    distillation_temperature: float = 4.0

    def __post_init__(self) -> None:
        ranges = {
            "epochs": (1, math.inf),
            "batch_size": (1, math.inf),
            "learning_rate": (1e-12, 1e3),
            "weight_decay": (0, math.inf),
            "warmup": (0, 1),
            "label_smoothing": (0, 1),
            "averaging": (0, 1),
            "momentum": (0, 1),
            "step_epochs": (1, math.inf),
            "step_factor": (0, 1),
            "mixup": (0, math.inf),
            "cutmix": (0, math.inf),
            "patience": (0, math.inf),
            "distillation": (0, 1),
            "distillation_temperature": (1e-3, 1e3),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:  # also catches NaN
                raise ConfigError(f"{name} is {value}; it must be {_between(low, high)}")


def _between(low: float, high: float) -> str:
    return f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
