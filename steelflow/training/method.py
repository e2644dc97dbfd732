"""Training options outside the recipe, and the callbacks of a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from steelflow.errors import ConfigError
from steelflow.training.checkpoint import Checkpoint
from steelflow.training.distil import TeacherModel
from steelflow.training.loss import Teacher
from steelflow.training.precision import Wanted
from steelflow.training.state import Progress
from steelflow.training.transfer import Phases


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How to train.

    Attributes:
        pretrained: start from ImageNet weights: torchvision's, or a file (see ``models.weights_file``).
        start: start from the weights of this model; see ``start.start_from``.
        teacher: see ``loss.Loss``; a module is moved to ``device``.
        unlabelled: pictures without labels, uint8 (M, S, S), which the teacher judges; they are training images, too.
        phases: fine-tune in two phases, with their epochs and rates instead of the recipe's.
        device: where to train; ``best_device`` when not given. The trained model is returned on the CPU.
        precision: of the training steps; see ``precision.choose_precision``. Everything else is float32.
    """

    pretrained: bool | Path = False
    start: TeacherModel | None = None
    teacher: Teacher | None = None
    unlabelled: npt.NDArray[np.uint8] | None = None
    phases: Phases | None = None
    device: torch.device | None = None
    precision: Wanted = "fp32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """``checkpoint`` saves the state and resumes from it. ``on_epoch`` is called after each epoch. ``rescue`` is the
    file for the last good weights if the loss is no longer finite."""

    checkpoint: Checkpoint | None = None
    on_epoch: Callable[[Progress], None] | None = None
    rescue: Path | None = None


def best_device(name: str | None = None) -> torch.device:
    """The device of that name. Without a name: the GPU if there is one, else the CPU.

    Raises:
        ConfigError: there is no such device here.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda") or (name == "cuda" and not torch.cuda.is_available()):
        raise ConfigError(f"no device {name!r} for torch here; give 'cpu', or omit the device")
    return torch.device(name)
