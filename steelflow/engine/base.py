"""What an engine is: a model, ready to run over batches, safe to call from several threads at once."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from steelflow.models.spec import ModelSpec


class Outputs(NamedTuple):
    """``probabilities`` float32 (N, C), rows sum to one; ``embedding`` float32 (N, E)."""

    probabilities: npt.NDArray[np.float32]
    embedding: npt.NDArray[np.float32]


class Engine(Protocol):
    @property
    def name(self) -> str:
        """What runs it, for people: ``onnxruntime CPU``, ``torch cuda:0``."""

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def digest(self) -> str:
        """sha256 of the ONNX file, in hex: the identity of the model."""

    @property
    def on_device(self) -> bool:
        """Whether it runs on an accelerator, which one batch at a time should have to itself."""

    def run(self, batch: npt.NDArray[np.uint8]) -> Outputs:
        """Judge a batch of grey pictures, uint8 (N, 1, S, S) with S of the spec. The result for a picture does not
        depend on the pictures beside it."""


def softmax(logits: npt.NDArray[np.float32], temperature: float) -> npt.NDArray[np.float32]:
    """exp(z/T) / Σ exp(z/T) along the last axis, in float32."""
    scaled = logits / np.float32(temperature)
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    probabilities: npt.NDArray[np.float32] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities
