"""The spec of a model: classes and preprocessing. It is stored inside the ONNX file, so weights and preprocessing
cannot disagree.

The ONNX contract of steelflow: one input ``image``, uint8 of shape (N, 1, S, S), grey, resized by area (normalisation
is part of the graph); two outputs, ``logits`` float32 (N, C) and ``embedding`` float32 (N, E) with E at most 32. The
spec is the JSON text under the metadata key ``steelflow.spec``.

A model of views (``view`` is set) sees squares that are cut from frames at native scale. It may have a third output,
``map`` float32 (N, C, h, w): the logits of each cell of the view. ``logits`` are then the map, pooled by
``models.pooling``.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from steelflow.errors import ModelError

METADATA_KEY = "steelflow.spec"
MAX_EMBEDDING = 32
_OF_VIEWS = ("good", "operating_point", "view", "sharpness")


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
    good: tuple[str, ...] = Field(default=(), description="classes that are not defects")
    operating_point: float | None = Field(
        default=None, ge=0, lt=1, description="a picture is a defect if 1 − Σ p(good) is above; None: the top class is"
    )
    view: int | None = Field(
        default=None,
        ge=8,
        le=4096,
        description="side in frame pixels of the views it was trained on; None: whole images",
    )
    sharpness: float | None = Field(default=None, gt=0, description="of the pooling of ``map``; None: no map")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if unknown := set(self.good) - set(self.classes):
            raise ValueError(f"good has {', '.join(sorted(unknown))}, not one of its classes")
        if self.good and set(self.good) == set(self.classes):
            raise ValueError("good has every class; at least one must be a defect")
        if self.operating_point is not None and not self.good:
            raise ValueError("an operating point needs good classes")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the fields that a model of whole images does not have: its text is the same as in steelflow 0.2."""
        found: dict[str, Any] = serialise(self)
        return {name: value for name, value in found.items() if name not in _OF_VIEWS or value not in (None, (), [])}


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
