"""After training: the embedding and the novelty limits, the operating point, and the figures at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from steelflow.frames.views import cut, grid, padded
from steelflow.models.deployable import Deployable
from steelflow.models.novelty import Novelty
from steelflow.models.spec import ModelSpec
from steelflow.training.annotations import Annotations
from steelflow.training.export import fit_projection
from steelflow.training.novelty import fit_novelty
from steelflow.training.strip.crops import Pixels
from steelflow.training.strip.figures import Separation, crossed_thresholds, separation, threshold_for
from steelflow.training.strip.judge import OVERLAP, judge, runner

if TYPE_CHECKING:
    from steelflow.training.strip.plan import StripPlan

_SAMPLE = 384  # pictures that stand for all in the embedding

Read = Callable[[int], tuple[Pixels, Pixels]]


@torch.inference_mode()
def fit_embedding(
    model: Deployable, spec: ModelSpec, read: Read, numbers: Sequence[int], labels: Sequence[int], seed: int
) -> Novelty:
    """Set the model's projection and return the novelty limits, from one undisturbed view of each of a sample of the
    pictures ``numbers``, whose classes are ``labels``."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(numbers))[:_SAMPLE]
    side = spec.view or spec.input_size
    views = np.empty((len(chosen), 1, spec.input_size, spec.input_size), np.uint8)
    for view, index in zip(views, chosen, strict=True):
        picture = read(numbers[int(index)])[0]
        height, width = picture.shape
        places = grid(height, width, side, OVERLAP)
        top, left = places[int(rng.integers(len(places)))]
        cut(padded(picture, side), int(top), int(left), side, view[0])
    batch = torch.from_numpy(views)
    fit_projection(model, batch)
    logits, embedding = (
        torch.cat(parts).numpy() for parts in zip(*(model(v)[:2] for v in torch.split(batch, 8)), strict=True)
    )
    return fit_novelty(embedding, logits, np.array([labels[int(i)] for i in chosen], np.int64), seed)


def evaluated(
    model: Deployable, spec: ModelSpec, annotations: Annotations, read: Read, numbers: Sequence[int], plan: StripPlan
) -> tuple[ModelSpec, Separation]:
    """The spec with its operating point, and the figures of the pictures ``numbers`` at it.

    The operating point is fitted on the views of the good pictures, unless the plan has one. The figures are then at
    points that were fitted on other groups of these pictures. Doubtful pictures do not count.
    """
    numbers = [number for number in numbers if not annotations.items[number].doubtful(spec.good)]
    found = list(judge((read(number)[0] for number in numbers), runner(model, spec), spec))
    labels = [annotations.items[number].label for number in numbers]
    good = [place for place, label in enumerate(labels) if label in spec.good]
    views = np.concatenate([np.empty(0, np.float32), *(found[place].scores for place in good)])
    of = np.repeat(np.array(good, np.intp), [len(found[place].scores) for place in good])
    point, crossed = plan.operating_point, None
    if point is None:
        point = threshold_for(views, plan.false_alarms)
        groups = [annotations.items[number].group for number in numbers]
        crossed = crossed_thresholds(views, of, groups, plan.false_alarms)
    spec = spec.model_copy(update={"operating_point": point})
    scores = np.array([one.score for one in found])
    return spec, separation(scores, labels, spec.good, plan.false_alarms, point, crossed)
