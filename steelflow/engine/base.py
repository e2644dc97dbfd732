"""The interface of an engine: a model, ready to run over batches, from several threads at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from steelflow.errors import ModelError
from steelflow.models.novelty import Novelty, energy
from steelflow.models.spec import ModelSpec

Floats = npt.NDArray[np.float32]
Pictures = npt.NDArray[np.uint8]

_SLICE = 8
_SLICE_PIXELS = 2 * 256 * 256


class Outputs(NamedTuple):
    """``probabilities`` float32 (N, C), every row sums to one; ``embedding`` float32 (N, E); ``energy`` float32 (N,),
    see ``models.novelty``; ``map`` float32 (N, C, h, w), the logits of each cell, None for a model without a map."""

    probabilities: Floats
    embedding: Floats
    energy: Floats
    map: Floats | None = None


class Engine(Protocol):
    @property
    def name(self) -> str:
        """Runtime and device, for people: ``onnxruntime CPU``, ``openvino CPU bf16``, ``torch cuda:0``."""

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def novelty(self) -> Novelty | None:
        """The limits beyond which an image is unlike the training images. None for a model without them."""

    @property
    def digest(self) -> str:
        """sha256 of the ONNX file, in hex: the identity of the model."""

    @property
    def on_device(self) -> bool:
        """Whether it runs on an accelerator, which should get one batch at a time."""

    def run(self, batch: Pictures) -> Outputs:
        """Classify a batch of grey images, uint8 (N, 1, S, S) with S of the spec. The result for an image does not
        depend on the other images of the batch."""


def output_names(spec: ModelSpec) -> tuple[str, ...]:
    """The outputs of the model's graph, in the order of ``outputs_of``."""
    return ("logits", "embedding") if spec.sharpness is None else ("logits", "embedding", "map")


def slice_of(size: int) -> int:
    """Number of images of ``size`` × ``size`` pixels that go through a network together on a CPU: its feature maps then
    stay in the cache of a core."""
    return max(1, min(_SLICE, _SLICE_PIXELS // size**2))


def in_slices(compute: Callable[[Pictures], Sequence[Floats]], batch: Pictures) -> list[Floats]:
    """The outputs for all of ``batch``; ``compute`` gets ``slice_of`` images at a time."""
    step = slice_of(batch.shape[-1])
    starts = range(0, max(len(batch), 1), step)
    parts = zip(*(compute(batch[start : start + step]) for start in starts), strict=True)
    return [np.concatenate(part) for part in parts]


def outputs_of(spec: ModelSpec, logits: Floats, embedding: Floats, cells: Floats | None = None) -> Outputs:
    """The outputs of an engine, from the outputs of its network."""
    return Outputs(softmax(logits, spec.temperature), embedding, energy(logits), cells)


def softmax(logits: Floats, temperature: float) -> Floats:
    """exp(z/T) / Σ exp(z/T) along the last axis, in float32."""
    scaled = logits / np.float32(temperature)
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    probabilities: Floats = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


def check_contract(engine: Engine, path: Path) -> None:
    """Raise ``ModelError`` if the model at ``path`` contradicts its spec."""
    size, classes = engine.spec.input_size, len(engine.spec.classes)
    try:
        outputs = engine.run(np.zeros((2, 1, size, size), dtype=np.uint8))
    except Exception as exc:
        raise ModelError(
            f"{path}: does not compute logits and embedding from uint8 images (N, 1, {size}, {size}); "
            "export it with `steelflow train`"
        ) from exc
    if outputs.probabilities.shape != (2, classes):
        raise ModelError(
            f"{path}: has {outputs.probabilities.shape[-1]} classes, but its spec names {classes} "
            f"({', '.join(engine.spec.classes)}); export it again with its own classes"
        )
    if outputs.embedding.shape != (2, engine.spec.embedding_dims):
        raise ModelError(
            f"{path}: the embedding has {outputs.embedding.shape[-1]} dimensions, its spec says "
            "otherwise; export it with `steelflow train`"
        )
    if engine.spec.sharpness is not None and (outputs.map is None or outputs.map.shape[:2] != (2, classes)):
        raise ModelError(f"{path}: its map does not have {classes} classes; export it with `steelflow train`")
