"""The gate before a promotion: compares a challenger with the champion, image by image, and says why it is refused.

Accuracy is compared pairwise, both models on the same images. The difference Δ = accuracy of the challenger − accuracy
of the champion comes with a 95 % interval from the paired bootstrap (Efron and Tibshirani 1993, ch. 13): images drawn
with replacement, 2,000 times.

A champion remembers images that trained it, and its accuracy on them says nothing about new ones. Such images cannot
prove a challenger better, and the champion's accuracy counts there as what it has on images that it had not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, computed_field

from steelflow.config import RetrainSettings

_ROUNDS = 2000
_LOST = 2  # images, net: a single one is chance, even if it is a large share of a small set or class
FEWEST = 10  # images; a smaller set decides nothing
ROUNDING = 1e-9  # of the difference of two shares: a loss of exactly what is allowed is allowed


Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Answers:
    """A model's answers for N images: the label it chose, and the probability it gave the right one."""

    labels: tuple[str, ...]
    right: npt.NDArray[np.bool_]  # (N,)
    probability: npt.NDArray[np.float64]  # (N,), 0 for a class that the model does not know

    def only(self, own: Mask) -> Answers:
        """The answers for some of the images; ``own`` is (N,)."""
        labels = tuple(label for label, one in zip(self.labels, own, strict=True) if one)
        return Answers(labels, self.right[own], self.probability[own])


class ClassComparison(BaseModel):
    """The two models on the images of one class."""

    model_config = ConfigDict(frozen=True)

    images: int
    champion: float  # recall
    challenger: float
    lost: int  # images, net


class StripFigures(BaseModel):
    """A model on a set of frames, at its operating point. ``found`` of the labelled ``defects`` have a region, and
    ``named`` of them the right class. ``alarms`` of the ``good_frames`` are false."""

    model_config = ConfigDict(frozen=True)

    good_frames: int
    alarms: int
    defects: int
    found: int
    named: int
    auc: float | None  # good against defective frames


class StripComparison(BaseModel):
    """The two models on a set of frames."""

    model_config = ConfigDict(frozen=True)

    champion: StripFigures
    challenger: StripFigures

    def __str__(self) -> str:
        old, new = self.champion, self.challenger
        text = (
            f"{old.found} → {new.found} of {new.defects} defects found ({old.named} → {new.named} with the right "
            f"class), {old.alarms} → {new.alarms} of {new.good_frames} good frames with a false alarm"
        )
        return text if old.auc is None or new.auc is None else f"{text}, AUC {old.auc:.3f} → {new.auc:.3f}"


class Comparison(BaseModel):
    """The two models on one set of images. ``low`` and ``high`` bound the difference with 95 % confidence.

    Of frames, the images are cases: labelled defects and good frames. ``strip`` then has more figures. ``remembered``
    of the images trained the champion.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    images: int
    champion: float  # accuracy
    challenger: float
    low: float
    high: float
    classes: dict[str, ClassComparison]
    problems: tuple[str, ...] = ()
    strip: StripComparison | None = None
    remembered: int = 0

    @property
    def difference(self) -> float:
        return self.challenger - self.champion

    def __str__(self) -> str:
        known = f"; {self.remembered} of them trained the champion" if self.remembered else ""
        if self.strip is not None:
            return f"{self.name}: {self.strip}{known}"
        return (
            f"{self.name}: {self.champion:.2%} → {self.challenger:.2%} of {self.images} images "
            f"({100 * self.low:+.1f} to {100 * self.high:+.1f} points{known})"
        )


class Gate(BaseModel):
    """The decision and its grounds. Without ``problems`` the challenger is promoted."""

    model_config = ConfigDict(frozen=True)

    comparisons: tuple[Comparison, ...]
    speed: float  # images per second of the challenger, as a share of the champion's
    problems: tuple[str, ...]

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated property
    @property
    def passed(self) -> bool:
        return not self.problems


def compare(
    name: str,
    truth: Sequence[str],
    champion: Answers,
    challenger: Answers,
    rules: RetrainSettings,
    seed: int = 0,
    remembered: Mask | None = None,
    elsewhere: float | None = None,
) -> Comparison:
    """Compare the two on N images with the labels ``truth``. With fewer than ten images no problem is reported.

    Args:
        remembered: (N,), the images that trained the champion.
        elsewhere: the champion's accuracy on images that it had not seen, None if it is not known. Where enough of the
            N images did not train it, theirs is taken.
    """
    found = _compared(name, truth, champion, challenger, seed)
    known = np.zeros(found.images, bool) if remembered is None else remembered
    unseen = champion.right[~known]
    if len(unseen) >= FEWEST and known.any():
        elsewhere = float(unseen.mean())
    expected = _expected(truth, champion.right, known, 1.0 if elsewhere is None else elsewhere)
    _, high = _interval(challenger.right[~known].astype(np.int64) - unseen, seed) if len(unseen) else (0.0, 0.0)
    worse = len(unseen) >= FEWEST and high < 0
    problems = _worse(found, rules, expected, worse) if found.images >= FEWEST else []
    return found.model_copy(update={"problems": tuple(problems), "remembered": int(known.sum())})


def _expected(
    truth: Sequence[str], right: npt.NDArray[np.bool_], known: Mask, elsewhere: float
) -> dict[str | None, float]:
    """The accuracy that counts as the champion's, of all images (None) and of each class: on those that trained it, at
    most what it has on others."""
    labels = np.array(truth, dtype=object)
    found = {}
    for label in (None, *sorted(set(truth))):
        own = np.full(len(labels), True) if label is None else labels == label
        seen, new = own & known, own & ~known
        count = min(float(right[seen].sum()), elsewhere * float(seen.sum())) + float(right[new].sum())
        found[label] = count / max(int(own.sum()), 1)
    return found


def _compared(name: str, truth: Sequence[str], champion: Answers, challenger: Answers, seed: int) -> Comparison:
    labels = np.array(truth, dtype=object)
    count = len(labels)
    low, high = _interval(challenger.right.astype(np.int64) - champion.right, seed) if count else (0.0, 0.0)
    classes = {}
    for label in sorted(set(truth)):
        own = labels == label
        before, after = champion.right[own], challenger.right[own]
        classes[label] = ClassComparison(
            images=int(own.sum()),
            champion=float(before.mean()),
            challenger=float(after.mean()),
            lost=int(before.sum() - after.sum()),
        )
    return Comparison(
        name=name,
        images=count,
        champion=float(champion.right.mean()) if count else 0.0,
        challenger=float(challenger.right.mean()) if count else 0.0,
        low=low,
        high=high,
        classes=classes,
    )


def decide(
    comparisons: Sequence[Comparison], champion: Answers, challenger: Answers, speed: float, rules: RetrainSettings
) -> Gate:
    """Promote or not. ``champion`` and ``challenger`` are the answers on the images of all comparisons together; images
    that trained the champion are left out."""
    problems = [problem for one in comparisons for problem in one.problems]
    if speed < rules.min_speed:
        problems.append(
            f"it is too slow: {speed:.2f} times the champion's images per second, at least {rules.min_speed:g} is "
            "needed (retrain.min_speed)"
        )
    if len(champion.right) < FEWEST:
        known = " that did not train the champion" if any(one.remembered for one in comparisons) else ""
        problems.append(f"{len(champion.right)} images{known} are too few to judge it by; label more")
    elif not problems and not _proves_better(champion, challenger):
        problems.append("it is not better than the champion; the champion stays")
    return Gate(comparisons=tuple(comparisons), speed=speed, problems=tuple(problems))


def together(answers: Sequence[Answers]) -> Answers:
    """The answers of one model on several sets as one."""
    return Answers(
        tuple(label for one in answers for label in one.labels),
        np.concatenate([one.right for one in answers]),
        np.concatenate([one.probability for one in answers]),
    )


def _worse(found: Comparison, rules: RetrainSettings, expected: Mapping[str | None, float], worse: bool) -> list[str]:
    """``expected``: see ``_expected``. ``worse``: significantly, on images that did not train the champion."""
    problems = []
    lost = round((expected[None] - found.challenger) * found.images)
    if (expected[None] - found.challenger > rules.max_drop + ROUNDING and lost >= _LOST) or worse:
        problems.append(
            f"it is worse on the {found.name}: {found.challenger:.2%} of {found.images} images right, the champion has "
            f"{expected[None]:.2%}{_told(expected[None], found.champion)}"
        )
    for label, one in found.classes.items():
        lost = round((expected[label] - one.challenger) * one.images)
        if expected[label] - one.challenger > rules.class_floor + ROUNDING and lost >= _LOST:
            problems.append(
                f"it is worse on class {label} of the {found.name}: {one.challenger:.1%} of {one.images} images right, "
                f"the champion has {expected[label]:.1%}{_told(expected[label], one.champion)}"
            )
    return problems


def _told(expected: float, measured: float) -> str:
    return " without what it remembers" if expected < measured - ROUNDING else ""


def _proves_better(champion: Answers, challenger: Answers) -> bool:
    """More images right; or equally many, with significantly higher log-likelihood of the right label (paired)."""
    gained = int(challenger.right.sum()) - int(champion.right.sum())
    if gained:
        return gained > 0
    gain = np.log(np.maximum(challenger.probability, 1e-6)) - np.log(np.maximum(champion.probability, 1e-6))
    rng = np.random.default_rng(0)
    means = [gain[rng.integers(len(gain), size=len(gain))].mean() for _ in range(_ROUNDS)]
    return bool(np.quantile(means, 0.025) > 0)


def _interval(better: npt.NDArray[np.int64], seed: int) -> tuple[float, float]:
    """The 95 % interval of the mean of values −1, 0 and 1. Drawing images with replacement is the same as drawing how
    many images have each value."""
    count = len(better)
    shares = np.bincount(better + 1, minlength=3) / count
    drawn = np.random.default_rng(seed).multinomial(count, shares, _ROUNDS)
    low, high = np.quantile((drawn[:, 2] - drawn[:, 0]) / count, (0.025, 0.975))
    return float(low), float(high)
