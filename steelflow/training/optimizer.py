"""The optimizers and schedules of a recipe."""

from __future__ import annotations

import math

from torch import nn, optim

from steelflow.training.recipe import Recipe


def build_optimizer(network: nn.Module, recipe: Recipe) -> optim.Optimizer:
    """The optimizer for the trainable parameters.

    ``adamw`` (Loshchilov and Hutter 2019) decays kernels and matrices only, because biases and batch norm scales need
    not be small. ``adam`` and ``sgd`` follow the papers: weight decay is an L2 term on every parameter.
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    if recipe.optimizer == "adam":
        return optim.Adam(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    if recipe.optimizer == "sgd":
        return optim.SGD(
            parameters, lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return optim.AdamW(groups, lr=recipe.learning_rate)


def learning_rate(recipe: Recipe, step: int, batches: int) -> float:
    """The rate of step ``step`` (from 0), with ``batches`` steps in an epoch.

    The rate rises linearly from near 0 over the share ``warmup`` of all steps. Then it follows half a cosine to 0
    (Loshchilov and Hutter 2017), or is constant, or is multiplied by ``step_factor`` after every ``step_epochs``
    epochs.
    """
    steps = recipe.epochs * batches
    rise = max(1, round(recipe.warmup * steps))
    if step < rise:
        return recipe.learning_rate * ((step + 1) / rise)
    if recipe.schedule == "constant":
        return recipe.learning_rate
    if recipe.schedule == "step":
        return recipe.learning_rate * recipe.step_factor ** (step // batches // recipe.step_epochs)
    return recipe.learning_rate * (0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))))
