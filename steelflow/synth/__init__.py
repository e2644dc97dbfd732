"""A synthetic plant: sample images for newcomers, and drift for tests."""

from steelflow.synth.camera import Camera, photograph
from steelflow.synth.coils import line_names
from steelflow.synth.plant import (
    TEMPLATE,
    PlantSpec,
    PlantSummary,
    labelled,
    objects,
    truth,
    write_plant,
)
from steelflow.synth.textures import CLASSES, surface

__all__ = [
    "CLASSES",
    "TEMPLATE",
    "Camera",
    "PlantSpec",
    "PlantSummary",
    "labelled",
    "line_names",
    "objects",
    "photograph",
    "surface",
    "truth",
    "write_plant",
]
