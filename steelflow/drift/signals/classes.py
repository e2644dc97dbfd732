"""How the shares of the classes changed."""

from __future__ import annotations

import numpy as np
import polars as pl

from steelflow.drift.distances import Floats, jensen_shannon_distance, population_stability_index
from steelflow.drift.signals.base import Bars, Observed, Resampling, Signal
from steelflow.drift.signals.rows import LineRows


class _Classes(Signal):
    """A signal of the numbers of images by class."""

    family = "outputs"
    column = "label"

    def __init__(self, reference: LineRows) -> None:
        self._labels = reference.frame["label"]

    @classmethod
    def bars(cls, before: pl.DataFrame, after: pl.DataFrame) -> Bars | None:
        """The share of each class."""
        classes, old, new = _counted(before["label"], after["label"])
        named = ", ".join(
            f"{name} {a:.0%} → {b:.0%}" for name, a, b in zip(classes, old / old.sum(), new / new.sum(), strict=True)
        )
        caption = f"{named}; Jensen-Shannon distance {jensen_shannon_distance(old, new):.2f}"
        return Bars(before=old, after=new, caption=caption)

    def standing_out(self, night: LineRows) -> pl.Series | None:
        """The images of the class that grew most."""
        classes, old, new = _counted(self._labels, night.frame["label"])
        grown = classes[int((new / new.sum() - old / old.sum()).argmax())]
        return night.frame.select(pl.col("label") == grown)["label"]

    def _one_hot(self) -> Floats:
        """(N, K): the share of each class is the mean of these features."""
        classes = _names(self._labels)
        return np.stack([(self._labels == name).to_numpy() for name in classes], 1).astype(float)


class ClassShare(_Classes):
    """The largest change of one class's share.

    Without drift: 6 points, and 15 in an unbalanced halving. A class that triples gains 16 to 18 points.
    """

    name = "class_share"
    unit = "share of images"
    threshold = 0.14
    points = True

    def observe(self, night: LineRows) -> Observed | None:
        classes, before, now = _counted(self._labels, night.frame["label"])
        value, text = _largest_change(classes, before, now)
        return Observed(value=value, text=text)

    def resampling(self, images: int) -> Resampling | None:
        return Resampling(features=self._one_hot(), statistic=lambda old, new: np.abs(new - old).max(1))


class ClassMix(_Classes):
    """The population stability index of all shares. It is the signal that notices a rare class that grows.

    0.25 is the usual limit of a significant shift. Without drift: 0.05, and 0.24 in an unbalanced halving.
    """

    name = "class_mix"
    unit = "PSI"
    threshold = 0.25

    def observe(self, night: LineRows) -> Observed | None:
        classes, before, now = _counted(self._labels, night.frame["label"])
        value = float(population_stability_index(before, now))
        change = _largest_change(classes, before, now)[1]
        return Observed(value=value, text=f"mix of classes shifted by PSI {value:.2f}: {change}")

    def resampling(self, images: int) -> Resampling | None:
        before = len(self._labels)
        return Resampling(
            features=self._one_hot(),
            statistic=lambda old, new: population_stability_index(old * before, new * images),
        )


def _largest_change(classes: list[str], before: Floats, now: Floats) -> tuple[float, str]:
    old, new = before / before.sum(), now / now.sum()
    most = int(np.abs(new - old).argmax())
    text = f"{classes[most]} from {old[most]:.0%} to {new[most]:.0%} of the images"
    return float(abs(new - old)[most]), text


def _counted(before: pl.Series, after: pl.Series) -> tuple[list[str], Floats, Floats]:
    """The classes of both sides (K), sorted, and the number of images of each, before and after (K,)."""
    classes = sorted({*_names(before), *_names(after)})
    counts = [dict(labels.value_counts().iter_rows()) for labels in (before, after)]
    old, new = (np.array([counted.get(name, 0) for name in classes], float) for counted in counts)
    return classes, old, new


def _names(labels: pl.Series) -> list[str]:
    return sorted(labels.drop_nulls().unique())
