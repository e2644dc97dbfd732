"""The spec of a model: classes and preprocessing. It is stored inside the ONNX file, so weights and preprocessing
cannot disagree.

The ONNX contract of steelflow: one input ``image``, uint8 of shape (N, 1, S, S), grey, resized by area (normalisation
is part of the graph); two outputs, ``logits`` float32 (N, C) and ``embedding`` float32 (N, E) with E at most 32. The
spec is the JSON text under the metadata key ``steelflow.spec``.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steelflow.errors import ModelError

METADATA_KEY = "steelflow.spec"
MAX_EMBEDDING = 32


class ModelSpec(BaseModel):
    """Name, classes and preprocessing of one trained model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    version: str = "1"
    arch: str = Field(min_length=1, description="entry of the catalogue that built the network")
    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    input_size: int = Field(ge=8, le=4096, description="S: height and width in pixels")
    mean: float = Field(default=0.5, description="subtracted from pixel / 255")
    std: float = Field(default=0.25, gt=0, description="divisor after that")
    embedding_dims: int = Field(ge=1, le=MAX_EMBEDDING)
    temperature: float = Field(default=1.0, gt=0, description="probabilities are softmax(logits / temperature)")


def parse_spec(text: str | None, where: str) -> ModelSpec:
    """Read the spec from a model's metadata. ``where`` names the file in the error."""
    if text is None:
        raise ModelError(f"{where}: contains no steelflow spec; export it with `steelflow train`")
    try:
        return ModelSpec.model_validate_json(text)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{where}: damaged steelflow spec: {field}: {first['msg']}; export the model again") from exc
