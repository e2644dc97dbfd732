"""What every signal has: a name, a threshold, a value for a night, its spread without drift, and its explanation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from steelflow.drift.distances import Floats
from steelflow.drift.signals.rows import LineRows

_BINS = 40  # of a histogram on the explanation page


@dataclass(frozen=True, slots=True)
class Observed:
    """The value of a signal on one night, in the unit of the signal, and the same in words, without the line.

    ``p_value`` is that of a Kolmogorov-Smirnov test, for signals that compare two distributions. It informs only.
    """

    value: float
    text: str
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class Resampling:
    """How to compute the signal from mean features, so that it can be computed for resampled images.

    ``features`` (N, D) are the features of each reference image. ``statistic`` takes the mean features of B resampled
    references and of B resampled nights, both (B, D), and returns the B values of the signal.
    """

    features: Floats
    statistic: Callable[[Floats, Floats], Floats]


@dataclass(frozen=True, slots=True)
class Bars:
    """A bar chart: numbers of images (K,) before and after, and a line of text below."""

    before: Floats
    after: Floats
    caption: str


class Signal(ABC):
    """One signal on one line. An instance keeps what the signal needs of the line's reference.

    Attributes:
        name: as in the drift table and in ``drift.thresholds``.
        family: ``quality``, ``outputs`` or ``embedding``.
        unit: of the value and the threshold.
        threshold: the fixed threshold. A smaller shift has no consequence, however certain it is.
        points: whether the value is a share that is printed in percentage points.
        column: the report column whose histogram explains the signal.
    """

    name: ClassVar[str]
    family: ClassVar[str]
    unit: ClassVar[str]
    threshold: ClassVar[float]
    points: ClassVar[bool] = False
    column: ClassVar[str]

    @abstractmethod
    def __init__(self, reference: LineRows) -> None: ...

    @abstractmethod
    def observe(self, night: LineRows) -> Observed | None:
        """The signal of a night against the reference; None if either lacks the columns it needs."""

    @abstractmethod
    def resampling(self, images: int) -> Resampling | None:
        """How to resample the signal for nights of ``images`` images; None if the reference does not allow it.

        The largest values that occur without drift are the signal's own limit, see ``bootstrap``. A signal without a
        resampling is not compared.
        """

    def standing_out(self, night: LineRows) -> pl.Series | None:
        """The rows that make up the rise of the signal, as booleans (N,); None if no single rows do."""
        return None

    @classmethod
    def bars(cls, before: pl.DataFrame, after: pl.DataFrame) -> Bars | None:
        """The chart that explains the signal: by default a histogram of ``column``; None if either side is empty."""
        old, new = (rows[cls.column].cast(pl.Float64).drop_nulls().drop_nans().to_numpy() for rows in (before, after))
        if len(old) == 0 or len(new) == 0:
            return None
        low, high = (float(np.quantile(np.concatenate([old, new]), q)) for q in (0.005, 0.995))
        edges = np.linspace(low, max(high, low + 1e-6), _BINS + 1)
        counts = [np.histogram(values.clip(low, high), edges)[0].astype(float) for values in (old, new)]
        return Bars(before=counts[0], after=counts[1], caption=f"{cls.column} from {low:.4g} to {high:.4g}")


def rise(reference: Floats, current: Floats) -> Floats:
    """The statistic of a signal that is a difference of two means: (B, 1) and (B, 1) to (B,)."""
    return (current - reference)[:, 0]
