"""The training loss: cross-entropy with class weights, mixed labels and an optional teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from steelflow.training.mixing import Mixed
from steelflow.training.recipe import Recipe

Teacher = Callable[[Tensor], Tensor]
"""Converts pixels 0…255, float32 (N, 1, S, S), to logits (N, C)."""


def class_weights(labels: Tensor) -> Tensor | None:
    """Weights (C,) that give every class equal influence: w_c = N / (C · n_c).

    N is the number of images, C the number of classes with images, n_c the number of images of class c. The mean weight
    over the images is Σ_c n_c·w_c / N = 1, so the learning rate keeps its meaning. None if all classes have the same
    size: all weights would be 1. Images without a label (−1) do not count.
    """
    labels = labels[labels >= 0]
    counts = torch.bincount(labels)
    present = counts[counts > 0]
    if bool((present == present[0]).all()):
        return None
    return len(labels) / (len(present) * counts.clamp(min=1).float())


@dataclass(frozen=True, slots=True)
class Loss:
    """L = (1 − a) · CE + a · T² · KL(softmax(t/T) ‖ softmax(z/T)) for logits z and a teacher's t (Hinton et al. 2015).

    CE is the mean over the images of w_y · CE(z, y), with label smoothing ε: the target is 1 − ε + ε/C for the label
    and ε/C for the other classes. An image mixed from two images, with share λ, has λ times the term of its own label
    plus 1 − λ times the term of the other label. Images without a label (−1) have no term in CE, which is then the mean
    over the others. Without a teacher L = CE.
    """

    recipe: Recipe
    weights: Tensor | None = None  # (C,)
    teacher: Teacher | None = None

    def __call__(self, logits: Tensor, labels: Tensor, pixels: Tensor, mixed: Mixed | None = None) -> Tensor:
        """The loss of logits (N, C) for ``pixels`` (N, 1, S, S), 0…255, with labels (N,)."""
        if mixed is None:
            loss = self.cross_entropy(logits, labels)
        else:
            partners = labels[mixed.partner]
            one, other = self._terms(logits, labels), self._terms(logits, partners)
            terms = mixed.share * one + (1 - mixed.share) * other
            loss = terms.mean() if bool((labels >= 0).all()) else terms.sum() / (labels >= 0).sum().clamp(min=1)
        if self.teacher is None:
            return loss
        a, temperature = self.recipe.distillation, self.recipe.distillation_temperature
        with torch.no_grad():
            soft = F.log_softmax(self.teacher(pixels) / temperature, 1)
        divergence = F.kl_div(F.log_softmax(logits / temperature, 1), soft, log_target=True, reduction="batchmean")
        return (1 - a) * loss + a * temperature**2 * divergence

    def cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        known = labels >= 0
        if not known.all():
            logits, labels = logits[known], labels[known]
            if not len(labels):
                return logits.sum()  # zero, with a gradient
        if self.weights is None:
            return F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        return self._terms(logits, labels).mean()

    def _terms(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The terms (N,) of the images; 0 for those without a label."""
        known, labels = labels >= 0, labels.clamp(min=0)
        terms = F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing, reduction="none")
        return known * (terms if self.weights is None else self.weights[labels] * terms)
