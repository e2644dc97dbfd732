"""One line's night beside its reference: every signal, and how far it wanders by itself.

Each statistic but the exact Wasserstein distance is a function of mean features: shares of bins, first and second
moments. So one bootstrap serves all of them: draw coils of the reference with replacement, a reference's worth and a
night's worth, average their features, and see how far apart the two lie although nothing drifted. Coils are drawn, and
not images, where there are any: a coil's images are alike, and a night of six coils wanders more than its images tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import polars as pl

from steelflow.drift.appearance import Appearance
from steelflow.drift.distances import (
    frechet_distance,
    kolmogorov_smirnov,
    population_stability_index,
    wasserstein,
)
from steelflow.drift.signals import SIGNALS, Reading

Floats = npt.NDArray[np.float64]
Groups = npt.NDArray[np.intp]

_DRAWS = 1000
_QUANTILE = 1 - 0.01 / len(SIGNALS)  # 1 % of the nights of a line, shared by its signals
_Z = 3.1  # of the normal distribution at that quantile
_FEW_COILS = 5  # of fewer, nothing is learned about how coils differ
_FEW_PICTURES = 300  # of fewer, little is learned about how images may look
_BINS = 100

# Figures that are compared by their distribution, with the σ below which they count as constant: a line whose pictures
# are all alike must not alarm over one grey level. Contrast and sharpness are ratios by nature, hence the logarithm.
_FLOORS = {"brightness": 4.0, "contrast": 0.1, "sharpness": 0.1, "saturation": 0.02, "energy": 0.25}
_LOGARITHMIC = ("contrast", "sharpness")


class LineReference:
    """The reference rows of one line (columns ``sample.COLUMNS``), ready to be compared with its nights."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self.images = rows.height
        self.estimated_accuracy = _mean(rows, "confidence")
        self._figures = {name: _figure(rows, name) for name in _FLOORS}
        self._classes = sorted(rows["label"].drop_nulls().unique())
        self._labels = rows["label"]
        codes, self._has_coils = _groups(rows)
        self._appearance = Appearance(_points(self._figures), codes)
        self._embedding = _embedding(rows)
        self._origin = 0.0 if self._embedding is None else self._embedding.mean(0)
        self._confidence = _values(rows, "confidence")
        self._novel = _values(rows, "novel")
        self._codes = codes
        self._limits: dict[tuple[int, int], dict[str, float]] = {}

    def compare(
        self, line: str | None, rows: pl.DataFrame, fixed: Mapping[str, float], severe: float
    ) -> tuple[Reading, ...]:
        """Every signal that both sides have figures for, of a night's rows.

        Args:
            fixed: threshold by signal, see ``signals.fixed_thresholds``.
            severe: a breach of so many times the threshold is severe.
        """
        codes, has_coils = _groups(rows)
        coils = int(codes.max()) + 1 if has_coils and self._has_coils else 0
        limits = self._bootstrapped(rows.height, coils)
        readings = []
        for signal in SIGNALS:
            found = self._observe(signal.name, rows)
            if found is None or signal.name not in limits:
                continue
            threshold = max(fixed[signal.name], limits[signal.name])
            readings.append(
                Reading(
                    line,
                    signal.name,
                    signal.family,
                    found.value,
                    threshold,
                    fixed[signal.name],
                    limits[signal.name],
                    found.value > threshold,
                    found.value >= severe * threshold,
                    found.p_value,
                    found.text,
                )
            )
        return tuple(readings)

    def odd(self, signal: str, rows: pl.DataFrame) -> pl.Series:
        """Which rows make up the rise of ``unfamiliar``, ``novel`` or ``class_share``: boolean, one for each."""
        if signal == "unfamiliar":
            return pl.Series(self._appearance.unfamiliar(_points({name: _figure(rows, name) for name in _FLOORS})))
        if signal == "novel":
            return rows["novel"].fill_null(False)
        classes = sorted({*self._classes, *rows["label"].drop_nulls().unique()})
        old, new = (_counts(labels, classes) for labels in (self._labels, rows["label"]))
        grown = classes[int((new / new.sum() - old / old.sum()).argmax())]
        return rows.select(pl.col("label") == grown)["label"]

    def _observe(self, name: str, rows: pl.DataFrame) -> _Observed | None:
        if name in _FLOORS:
            return self._moved(name, rows)
        if name in ("class_share", "class_mix"):
            return self._mix(name, rows)
        if name == "unfamiliar":
            points = _points({name: _figure(rows, name) for name in _FLOORS})
            own = self._appearance.own[self._appearance.pictures].mean()
            now = self._appearance.unfamiliar(points).mean()
            text = f"{now:.1%} of the images look like none of the reference, {own:.1%} before"
            return _Observed(float(now - own), text)
        if name == "embedding":
            return self._embedded(rows)
        before, now = getattr(self, f"_{name}"), _values(rows, name)
        if before is None or now is None:
            return None
        old, new = float(before.mean()), float(now.mean())
        if name == "novel":
            text = f"{new:.1%} of the images are unlike the training images, {old:.1%} before"
            return _Observed(new - old, text)
        text = f"estimated accuracy fell by {100 * (old - new):.1f} points to {new:.1%}"
        p_value = kolmogorov_smirnov(before, now)[1]
        return _Observed(old - new, text, p_value)

    def _moved(self, name: str, rows: pl.DataFrame) -> _Observed | None:
        before, now = self._figures[name], _figure(rows, name)
        if before is None or now is None:
            return None
        value = wasserstein(before, now) / max(float(before.std()), _FLOORS[name])
        sense = "up" if now.mean() > before.mean() else "down"
        text = f"{name} moved {sense} by {value:.2f} σ"
        return _Observed(value, text, kolmogorov_smirnov(before, now)[1])

    def _mix(self, name: str, rows: pl.DataFrame) -> _Observed:
        classes = sorted({*self._classes, *rows["label"].drop_nulls().unique()})
        before, now = (_counts(labels, classes) for labels in (self._labels, rows["label"]))
        old, new = before / before.sum(), now / now.sum()
        most = int(np.abs(new - old).argmax())
        change = f"{classes[most]} from {old[most]:.0%} to {new[most]:.0%} of the images"
        if name == "class_share":
            return _Observed(float(abs(new - old)[most]), change)
        value = float(population_stability_index(before, now))
        return _Observed(value, f"mix of classes shifted by PSI {value:.2f}: {change}")

    def _embedded(self, rows: pl.DataFrame) -> _Observed | None:
        now = _embedding(rows)
        if self._embedding is None or now is None or now.shape[1] != self._embedding.shape[1]:
            return None
        value = float(_frechet(_moments(self._embedding), _moments(now))[0])
        return _Observed(value, f"embeddings moved by {value:.2f} of their variance")

    def _bootstrapped(self, images: int, coils: int) -> dict[str, float]:
        """By signal, what its statistic stays below without any drift, on nights of so many images and coils."""
        known = self._limits.get((images, coils))
        if known is None:
            known = self._limits[images, coils] = self._bootstrap(images, coils)
        return known

    def _bootstrap(self, images: int, coils: int) -> dict[str, float]:
        draws = _Draws(self._codes if coils else np.arange(self.images), coils or images)
        limits = {}
        if self._appearance.distinct >= _FEW_PICTURES:
            flags = self._appearance.own[self._appearance.pictures].astype(float)
            limits["unfamiliar"] = draws.limit(flags[:, None], _rise)
        for name, values in self._figures.items():
            if values is not None:
                edges = np.unique(np.quantile(values, np.linspace(0, 1, _BINS), method="lower"))
                widths = np.diff(edges) / max(float(values.std()), _FLOORS[name])
                bins = np.searchsorted(edges, values, side="right") - 1
                limits[name] = draws.limit(np.eye(len(edges))[bins], partial(_area, widths=widths))
        one_hot = np.stack([(self._labels == name).to_numpy() for name in self._classes], 1).astype(float)
        limits["class_share"] = draws.limit(one_hot, lambda old, new: np.abs(new - old).max(1))
        limits["class_mix"] = draws.limit(
            one_hot, lambda old, new: population_stability_index(old * self.images, new * images)
        )
        if self._confidence is not None:
            limits["confidence"] = draws.limit(-self._confidence[:, None], _rise)
        if self._novel is not None:
            limits["novel"] = draws.limit(self._novel[:, None], _rise)
        if self._embedding is not None:
            limits["embedding"] = draws.limit(_products(self._embedding - self._origin), _frechet)
        return limits


class _Draws:
    """Pairs of samples of the reference's groups: one as large as the reference, one of ``groups``, as a night has."""

    def __init__(self, codes: Groups, groups: int) -> None:
        rng = np.random.default_rng(0)
        self._order = np.argsort(codes, kind="stable")
        sizes = np.bincount(codes).astype(np.float32)
        self._starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
        # Percentiles of a bootstrap are too low for few groups: by √(C / (C − 1)), and by what Student's quantile
        # is above the normal one, z (1 + (z² + 1) / 4ν) to first order.
        freedom = max(len(sizes) - 1, 1)
        self._wider = (1 + (_Z**2 + 1) / (4 * freedom)) * (1 + 1 / freedom) ** 0.5
        self._pair = [_weights(rng, len(sizes), drawn, sizes) for drawn in (len(sizes), groups)]

    def limit(self, features: Floats, statistic: Callable[[Floats, Floats], Floats]) -> float:
        """The quantile of ``statistic`` of both means (draws, D), given the features of each image (N, D)."""
        sums = np.add.reduceat(features[self._order].astype(np.float32), self._starts, axis=0)
        old, new = ((weights @ sums).astype(np.float64) for weights in self._pair)
        return float(self._wider * np.quantile(statistic(old, new), _QUANTILE))


@dataclass(frozen=True, slots=True)
class _Observed:
    value: float
    text: str
    p_value: float | None = None


def _groups(rows: pl.DataFrame) -> tuple[Groups, bool]:
    """The coil of each row as a number from 0, and True; where there are too few coils, each row by itself, and False.

    Coils may be numbered anew every night. An image without one is a group of its own.
    """
    coils = rows.select("line", "date", "coil").drop_nulls("coil")
    if coils.n_unique() < _FEW_COILS or 2 * coils.height < rows.height:
        return np.arange(rows.height), False
    alone = pl.when(pl.col("coil").is_null()).then(pl.int_range(pl.len()))
    keys = rows.select("line", "date", "coil", alone=alone)
    numbers = keys.unique(maintain_order=True).with_row_index("number")
    found = keys.join(numbers, on=keys.columns, how="left", nulls_equal=True, maintain_order="left")["number"]
    return found.to_numpy().astype(np.intp), True


def _values(rows: pl.DataFrame, name: str) -> Floats | None:
    """A column as numbers; None where it is not there for every row: a model without it, or an older report."""
    values = rows[name].cast(pl.Float64)
    return values.to_numpy() if rows.height and values.is_finite().fill_null(False).all() else None


def _figure(rows: pl.DataFrame, name: str) -> Floats | None:
    values = _values(rows, name)
    return np.log1p(values) if values is not None and name in _LOGARITHMIC else values


def _mean(rows: pl.DataFrame, name: str) -> float | None:
    values = _values(rows, name)
    return None if values is None else float(values.mean())


def _points(figures: Mapping[str, Floats | None]) -> Floats:
    return np.stack([np.asarray(figures[name]) for name in ("brightness", "contrast", "sharpness")], 1)


def _counts(labels: pl.Series, classes: list[str]) -> Floats:
    counted = dict(labels.value_counts().iter_rows())
    return np.array([counted.get(name, 0) for name in classes], float)


def _embedding(rows: pl.DataFrame) -> Floats | None:
    """(N, E), or None where there is none or models of different widths made them."""
    widths = rows["embedding"].list.len()
    if rows.height == 0 or widths.null_count() or widths.n_unique() != 1:
        return None
    return rows["embedding"].list.explode().to_numpy().astype(np.float64).reshape(rows.height, -1)


def _products(embedding: Floats) -> Floats:
    """First and second moments of each image: (N, E) to (N, E + E (E + 1) / 2)."""
    row, column = np.triu_indices(embedding.shape[1])
    return np.concatenate([embedding, embedding[:, row] * embedding[:, column]], 1)


def _moments(embedding: Floats) -> Floats:
    row, column = np.triu_indices(embedding.shape[1])
    second = embedding.T @ embedding / len(embedding)
    return np.concatenate([embedding.mean(0), second[row, column]])[None]


def _gaussian(moments: Floats) -> tuple[Floats, Floats]:
    """Means (B, E) and covariances (B, E, E) of mean moments."""
    dims = round((np.sqrt(9 + 8 * moments.shape[1]) - 3) / 2)
    row, column = np.triu_indices(dims)
    second = np.empty((len(moments), dims, dims))
    second[:, row, column] = second[:, column, row] = moments[:, dims:]
    mean = moments[:, :dims]
    return mean, second - mean[:, :, None] * mean[:, None, :]


def _frechet(reference: Floats, current: Floats) -> Floats:
    """Of mean moments (B, E + E (E + 1) / 2), over the total variance of the reference."""
    mean_1, covariance_1 = _gaussian(reference)
    mean_2, covariance_2 = _gaussian(current)
    total = np.trace(covariance_1, axis1=-2, axis2=-1).clip(1e-12)
    return np.asarray(frechet_distance(mean_1, covariance_1, mean_2, covariance_2) / total)


def _area(reference: Floats, current: Floats, widths: Floats) -> Floats:
    """Wasserstein distance of shares by bin (B, K), the bins so far apart (K − 1,)."""
    return np.asarray(np.abs(np.cumsum(current - reference, axis=1)[:, :-1]) @ widths)


def _rise(reference: Floats, current: Floats) -> Floats:
    return (current - reference)[:, 0]


def _weights(
    rng: np.random.Generator, groups: int, drawn: int, sizes: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """What each group's sum counts for in the mean of a draw: (draws, groups)."""
    counts = np.stack([np.bincount(rng.integers(groups, size=drawn), minlength=groups) for _ in range(_DRAWS)])
    weights = counts.astype(np.float32)
    return np.asarray(weights / (weights @ sizes)[:, None])
