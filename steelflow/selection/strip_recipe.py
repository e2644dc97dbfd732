"""The recipes of the two strip models that ship: an accurate one, and a light one distilled from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from steelflow.errors import ConfigError
from steelflow.training.strip.crops import Geometry
from steelflow.training.strip.draw import StripAugmentation
from steelflow.training.strip.light import Light
from steelflow.training.strip.plan import StripPlan

ACCURATE = StripPlan(
    arch="strip_wide",
    name="strip_accurate",
    steps=900,
    batch=8,
    rate=2e-3,
    precision="bf16",
    augmentation=StripAugmentation(
        geometry=Geometry(scale=0.3),
        light=Light(gain=0.5, gamma=0.4, unevenness=0.35, blur=1.0),
        pasted=0.5,
        joined=0.35,
    ),
)
"""Strong disturbances: it does better on tiles of a kind that it has not seen, and fits those that it has seen less."""

LIGHT = StripPlan(
    arch="strip_light",
    name="strip",
    steps=2200,
    rounds=3,
    batch=16,
    rate=4e-3,
    pool=4500,
    augmentation=StripAugmentation(joined=0.4),
)
"""The seams are those of composed frames. Each round takes other views."""

RECIPES = {"strip_accurate": ACCURATE, "strip": LIGHT}
"""By the name of the model, the teacher first."""


def plans(
    names: list[str], seed: int, models: Path, pretrained: Path | None, *, view: int, steps: int | None = None
) -> dict[str, StripPlan]:
    """The plans of ``names`` for a seed, whose models are kept in ``models``. If both are asked for, the light model is
    distilled from the accurate one.

    Raises:
        ConfigError: there is no such recipe.
    """
    if unknown := [name for name in names if name not in RECIPES]:
        raise ConfigError(f"no recipe {', '.join(unknown)}; there are: {', '.join(RECIPES)}")
    found = {}
    for name in (name for name in RECIPES if name in names):
        plan = replace(RECIPES[name], seed=seed, view=view, steps=steps or RECIPES[name].steps)
        if name == ACCURATE.name:
            plan = replace(plan, pretrained=pretrained)
        elif ACCURATE.name in names:
            plan = replace(plan, teacher=str(models / f"{ACCURATE.name}.onnx"))
        found[name] = plan
    return found
