"""The gate before a promotion: a challenger against the champion, image by image, and the reasons to refuse it.

Accuracy is compared pairwise, both models on the same images. The difference Δ = accuracy of the challenger − accuracy
of the champion comes with a 95 % interval from the paired bootstrap (Efron and Tibshirani 1993, ch. 13): images drawn
with replacement, 2,000 times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steelflow.config import RetrainSettings

_ROUNDS = 2000
_LOST = 2  # images, net: one alone is chance, whatever share of a small set or class it is
FEWEST = 10  # images below which a set decides nothing


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model says of N images: the labels it decides for, and the probability it gives the right one."""

    labels: tuple[str, ...]
    right: npt.NDArray[np.bool_]  # (N,)
    probability: npt.NDArray[np.float64]  # (N,), 0 for a class that it does not know


@dataclass(frozen=True, slots=True)
class ClassComparison:
    images: int
    champion: float  # recall
    challenger: float
    lost: int  # images, net


@dataclass(frozen=True, slots=True)
class Comparison:
    """The two models on one set of images. ``low`` and ``high`` bound the difference with 95 % confidence."""

    name: str
    images: int
    champion: float  # accuracy
    challenger: float
    low: float
    high: float
    classes: dict[str, ClassComparison]
    problems: tuple[str, ...]

    @property
    def difference(self) -> float:
        return self.challenger - self.champion

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.champion:.2%} → {self.challenger:.2%} of {self.images} images "
            f"({100 * self.low:+.1f} to {100 * self.high:+.1f} points)"
        )


@dataclass(frozen=True, slots=True)
class Gate:
    """The decision with all that it rests on. Without ``problems`` the challenger is promoted."""

    comparisons: tuple[Comparison, ...]
    speed: float  # images per second of the challenger, as a share of the champion's
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "passed": self.passed}


def compare(
    name: str, truth: Sequence[str], champion: Answers, challenger: Answers, rules: RetrainSettings, seed: int = 0
) -> Comparison:
    """What ``truth`` (N labels) says of the two; a set of fewer than ten images has no say and says so."""
    labels = np.array(truth, dtype=object)
    count = len(labels)
    low, high = _interval(challenger.right.astype(np.int64) - champion.right, seed) if count else (0.0, 0.0)
    classes = {}
    for label in sorted(set(truth)):
        own = labels == label
        before, after = champion.right[own], challenger.right[own]
        classes[label] = ClassComparison(
            int(own.sum()), float(before.mean()), float(after.mean()), int(before.sum() - after.sum())
        )
    found = Comparison(
        name,
        count,
        float(champion.right.mean()) if count else 0.0,
        float(challenger.right.mean()) if count else 0.0,
        low,
        high,
        classes,
        (),
    )
    return Comparison(**{**_fields(found), "problems": tuple(_worse(found, rules)) if count >= FEWEST else ()})


def decide(
    comparisons: Sequence[Comparison], champion: Answers, challenger: Answers, speed: float, rules: RetrainSettings
) -> Gate:
    """Promote or not. ``champion`` and ``challenger`` are the answers on the images of all comparisons together."""
    problems = [problem for one in comparisons for problem in one.problems]
    if speed < rules.min_speed:
        problems.append(
            f"it is too slow: {speed:.2f} times the champion's images per second, {rules.min_speed:g} is asked for "
            "(retrain.min_speed)"
        )
    if len(champion.right) < FEWEST:
        problems.append(f"{len(champion.right)} images to judge it by are too few to prove anything; label more")
    elif not problems and not _proves_better(champion, challenger):
        problems.append("it is as good as the champion and not better; the champion stays")
    return Gate(tuple(comparisons), speed, tuple(problems))


def together(answers: Sequence[Answers]) -> Answers:
    """The answers of one model on several sets as one."""
    return Answers(
        tuple(label for one in answers for label in one.labels),
        np.concatenate([one.right for one in answers]),
        np.concatenate([one.probability for one in answers]),
    )


def _worse(found: Comparison, rules: RetrainSettings) -> list[str]:
    problems = []
    lost = round(-found.difference * found.images)
    if (found.difference < -rules.max_drop and lost >= _LOST) or found.high < 0:
        problems.append(
            f"it is worse on the {found.name}: {found.challenger:.2%} of {found.images} images right, the champion has "
            f"{found.champion:.2%}"
        )
    for label, one in found.classes.items():
        if one.champion - one.challenger > rules.class_floor and one.lost >= _LOST:
            problems.append(
                f"it is worse on class {label} of the {found.name}: {one.challenger:.1%} of {one.images} images right, "
                f"the champion has {one.champion:.1%}"
            )
    return problems


def _proves_better(champion: Answers, challenger: Answers) -> bool:
    """More images right; or as many, and significantly more sure of what is right (log-likelihood, paired)."""
    gained = int(challenger.right.sum()) - int(champion.right.sum())
    if gained:
        return gained > 0
    gain = np.log(np.maximum(challenger.probability, 1e-6)) - np.log(np.maximum(champion.probability, 1e-6))
    rng = np.random.default_rng(0)
    means = [gain[rng.integers(len(gain), size=len(gain))].mean() for _ in range(_ROUNDS)]
    return bool(np.quantile(means, 0.025) > 0)


def _interval(better: npt.NDArray[np.int64], seed: int) -> tuple[float, float]:
    """Of the mean of values −1, 0 and 1: drawing images with replacement is drawing how many have each value."""
    count = len(better)
    shares = np.bincount(better + 1, minlength=3) / count
    drawn = np.random.default_rng(seed).multinomial(count, shares, _ROUNDS)
    low, high = np.quantile((drawn[:, 2] - drawn[:, 0]) / count, (0.025, 0.975))
    return float(low), float(high)


def _fields(found: Comparison) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__dataclass_fields__}
