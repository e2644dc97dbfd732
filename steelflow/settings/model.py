"""The model that inspects, where its versions are, and the rule that chooses an architecture."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steelflow.settings.base import Section, Uri

CHAMPION = "champion"

EngineName = Literal["auto", "onnxruntime", "openvino", "torch"]


class ModelSettings(Section):
    ref: str = Field(
        default=CHAMPION,
        description="'champion' (the registry's; the model that ships if none was promoted), a version of the "
        "registry, the name of a model that ships, or the path of an ONNX file",
    )
    engine: EngineName = "auto"
    batch_size: int | None = Field(default=None, ge=1, le=4096, description="images; measured at start-up if not set")
    memory_limit_mib: int = Field(default=1024, ge=64, description="for the batches in memory")
    workers: int | None = Field(
        default=None, ge=1, le=256, description="threads that decode and classify; one per core if not set"
    )


class RegistrySettings(Section):
    uri: Uri | None = Field(
        default=None, description="where model versions are stored; `registry` below the reports if not set"
    )


class SelectionSettings(Section):
    """Which architecture to train, and the rule by which `steelflow models compare` picks one."""

    arch: str = Field(default="steelnet", description="what `steelflow train` trains without --arch")
    rule: Literal["accuracy", "speed"] = Field(
        default="speed",
        description="'speed': the fastest that is accurate enough; 'accuracy': the most accurate that is fast enough",
    )
    min_accuracy: float = Field(default=0.995, ge=0, le=1, description="for the rule 'speed'")
    min_speedup: float = Field(
        default=5.0,
        ge=0,
        description="for the rule 'accuracy': times as fast as SSDC-MiniNet at 200×200, end to end, on this machine",
    )
    accuracy_tie: float = Field(default=0.001, ge=0, le=1, description="accuracies that differ less are equal")
    speed_tie: float = Field(default=0.05, ge=0, lt=1, description="speeds that differ by a smaller share are equal")
