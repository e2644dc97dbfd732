"""A protocol with pictures without labels: part of its test images is shown to the model, not what they are.

Three models are trained on the labels alone. They judge the pictures, and a fourth learns from the labels and from what
the three say (see ``training.unlabelled``). It is judged on the test images that nobody has seen.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from steelflow.errors import ConfigError
from steelflow.selection.protocols import Parts
from steelflow.training.data import Dataset, Indices, split
from steelflow.training.distil import Ensemble, TeacherModel
from steelflow.training.method import Method
from steelflow.training.recipe import Recipe
from steelflow.training.trained import Trained, train_in_memory

TEACHERS = 3
_SEEDS = 1000  # of the teachers: from here, so none is the seed of a student


def divided(data: Dataset, parts: Parts, share: float, seed: int) -> tuple[Parts, Indices]:
    """The parts with the rest of the test images, and those that are shown without labels: ``share`` of each class.

    Raises:
        ConfigError: ``share`` is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ConfigError(f"the share of the test images without labels is {share}; give more than 0 and less than 1")
    test, shown = split(data, share, seed, among=parts.test)
    left = np.bincount(data.labels[test], minlength=len(data.classes))
    counts = {
        name: replace(parts.counts[name], test=int(count)) for name, count in zip(data.classes, left, strict=True)
    }
    return replace(parts, test=test, counts=counts), shown


def teachers(data: Dataset, arch: str, recipe: Recipe, seed: int, parts: Parts, method: Method) -> list[Trained]:
    """``TEACHERS`` models of the labelled part, with other initial weights, order and augmentation."""
    seeds = range(_SEEDS + TEACHERS * seed, _SEEDS + TEACHERS * (seed + 1))
    return [
        train_in_memory(data, arch, recipe, own, parts=(parts.training, parts.test), method=method) for own in seeds
    ]


def taught(method: Method, models: list[Trained], data: Dataset, shown: Indices) -> Method:
    """The method of the student."""
    known = [TeacherModel(one.model, one.spec, digest="") for one in models]
    return replace(method, teacher=Ensemble(known, data.classes), unlabelled=data.images[shown])
