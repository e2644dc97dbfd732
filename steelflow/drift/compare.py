"""The reference of one line, and the readings of a night against it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from steelflow.drift.bootstrap import Draws
from steelflow.drift.estimate import estimated
from steelflow.drift.reading import Reading
from steelflow.drift.signals import SIGNALS
from steelflow.drift.signals.rows import LineRows

_FALSE_ALARMS = 0.01  # share of a line's nights without drift on which a signal may exceed its own limit


class LineReference:
    """The reference rows of one line (columns ``sample.COLUMNS``), ready to be compared with its nights.

    Attributes:
        images: the number of rows.
        estimated_accuracy: as the model estimates it itself; None where there is no estimate, see ``estimate``.
    """

    def __init__(self, rows: pl.DataFrame) -> None:
        self._rows = LineRows(rows)
        self.images = rows.height
        self.estimated_accuracy = estimated(rows).accuracy
        self._signals = {name: signal(self._rows) for name, signal in SIGNALS.items()}
        self._limits: dict[tuple[int, int], dict[str, float]] = {}

    def compare(
        self, line: str | None, rows: pl.DataFrame, fixed: Mapping[str, float], severe: float
    ) -> tuple[Reading, ...]:
        """The reading of every signal for which both the reference and the night have figures.

        Args:
            rows: of the night, columns ``sample.COLUMNS``.
            fixed: threshold by signal, see ``signals.fixed_thresholds``.
            severe: a value of at least this many thresholds is severe.
        """
        night = LineRows(rows)
        limits = self._bootstrapped(len(night), night.coils if self._rows.coils else 0)
        readings = []
        for name, limit in limits.items():
            signal = self._signals[name]
            found = signal.observe(night)
            if found is None:
                continue
            threshold = max(fixed[name], limit)
            readings.append(
                Reading(
                    line=line,
                    signal=name,
                    family=signal.family,
                    value=found.value,
                    threshold=threshold,
                    fixed=fixed[name],
                    bootstrapped=limit,
                    breach=found.value > threshold,
                    severe=found.value >= severe * threshold,
                    p_value=found.p_value,
                    text=found.text,
                )
            )
        return tuple(readings)

    def _bootstrapped(self, images: int, coils: int) -> dict[str, float]:
        """By signal, what it stays below without drift on nights of so many images and coils (0: draw images)."""
        known = self._limits.get((images, coils))
        if known is None:
            quantile = 1 - _FALSE_ALARMS / len(SIGNALS)  # the signals of a line share the false alarms
            draws = Draws(self._rows.groups if coils else np.arange(self.images), coils or images, quantile)
            resamplings = {name: signal.resampling(images) for name, signal in self._signals.items()}
            known = {name: draws.limit(one) for name, one in resamplings.items() if one is not None}
            self._limits[images, coils] = known
        return known
