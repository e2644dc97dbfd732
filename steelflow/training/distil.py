"""Teachers: trained models whose logits a smaller network learns from (Hinton et al. 2015)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from steelflow.errors import ModelError
from steelflow.models.deployable import Deployable, load_torch
from steelflow.models.seen import Marks, trained_on
from steelflow.models.shipped import resolve
from steelflow.models.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class TeacherModel:
    model: Deployable
    spec: ModelSpec
    digest: str  # SHA-256 of the weights file
    learned_from: Marks | None = None  # the images that trained it, if known


class Ensemble(nn.Module):
    """One or more models as a ``loss.Teacher``: the logarithm of their mean probability.

    Each model gets the pixels at its own input size. Logits are in the order of ``classes``.

    Raises:
        ModelError: a model does not know one of the classes.
    """

    def __init__(self, teachers: Sequence[TeacherModel], classes: Sequence[str]) -> None:
        super().__init__()
        self.models = nn.ModuleList(teacher.model for teacher in teachers).eval()
        self.sizes = [teacher.spec.input_size for teacher in teachers]
        self.places = []
        for spec in (teacher.spec for teacher in teachers):
            if missing := [name for name in classes if name not in spec.classes]:
                raise ModelError(
                    f"the teacher {spec.name} does not know {', '.join(missing)}; it knows {', '.join(spec.classes)}: "
                    "name a teacher that was trained on these classes"
                )
            self.places.append([spec.classes.index(name) for name in classes])

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (N, C) of pixels 0…255, float32 (N, 1, S, S)."""
        answers = [
            F.log_softmax(model(resized(pixels, size))[0][:, places], 1)
            for model, size, places in zip(self.models, self.sizes, self.places, strict=True)
        ]
        return torch.stack(answers).logsumexp(0)  # softmax ignores the constant − log(number of teachers)


def load_teacher(ref: str) -> TeacherModel:
    """Load the model ``ref``: a shipped name, or an ONNX file with its torch weights in the same folder.

    Raises:
        ModelError: no such model, or its torch weights are missing.
    """
    onnx = resolve(ref)
    weights = onnx.with_suffix(".safetensors")
    if not weights.is_file():
        raise ModelError(f"{onnx}: a teacher needs {weights.name} in the same folder; `steelflow train` writes it")
    model, spec = load_torch(weights)
    learned_from = trained_on(onnx, hashlib.sha256(onnx.read_bytes()).hexdigest())
    return TeacherModel(model, spec, hashlib.sha256(weights.read_bytes()).hexdigest(), learned_from)


def resized(pixels: Tensor, size: int) -> Tensor:
    """Resize (N, 1, S, S) to (N, 1, size, size): area to reduce, bilinear to enlarge, as in ``decode.resize``."""
    side = pixels.shape[-1]
    if side == size:
        return pixels
    if side > size:
        return F.interpolate(pixels, size=(size, size), mode="area")
    return F.interpolate(pixels, size=(size, size), mode="bilinear", align_corners=False)
