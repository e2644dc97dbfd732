"""The rows of one line that signals read, with the coil of each row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from steelflow.drift.distances import Floats

Groups = npt.NDArray[np.intp]

_FEW_COILS = 5  # with fewer, nothing can be learned about how coils differ


class LineRows:
    """Rows of one line, columns ``sample.COLUMNS``.

    Attributes:
        frame: the rows (N).
        groups: the number of each row's coil (N,), from 0. Coils may have the same number on several nights, so a coil
            is a coil of one night. A row without a coil is a group of its own.
        coils: the number of groups; 0 if there are fewer than five coils, or if most rows have none. Then each row is a
            group of its own.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        groups = _coils(frame)
        self.frame = frame
        self.groups: Groups = np.arange(frame.height) if groups is None else groups
        self.coils = 0 if groups is None else int(groups.max()) + 1

    def __len__(self) -> int:
        return self.frame.height

    def values(self, name: str) -> Floats | None:
        """A column as numbers (N,); None unless every row has one. Some models and older reports lack columns."""
        values = self.frame[name].cast(pl.Float64)
        return values.to_numpy() if len(self) and values.is_finite().fill_null(False).all() else None


def _coils(frame: pl.DataFrame) -> Groups | None:
    coils = frame.select("line", "date", "coil").drop_nulls("coil")
    if coils.n_unique() < _FEW_COILS or 2 * coils.height < frame.height:
        return None
    alone = pl.when(pl.col("coil").is_null()).then(pl.int_range(pl.len()))
    keys = frame.select("line", "date", "coil", alone=alone)
    numbers = keys.unique(maintain_order=True).with_row_index("number")
    found = keys.join(numbers, on=keys.columns, how="left", nulls_equal=True, maintain_order="left")["number"]
    return found.to_numpy().astype(np.intp)
