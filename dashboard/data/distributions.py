"""How the figures behind the signals of drift are spread, in the reference and on a night. No Streamlit."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import numpy.typing as npt
import polars as pl

from steelflow.drift.signals import SIGNALS
from steelflow.report.reader import ReportReader

BINS = 30
MOST = 200_000  # images of a night; of more, every second, third … one is taken
_NARROW = 0.01  # a range is at least this wide, or this share of its value
_TAILS = (0.005, 0.995)  # quantiles of both sides together; values beyond them are in the outermost bins
SCHEMA = {"low": pl.Float64, "high": pl.Float64, "label": pl.String, "side": pl.String, "share": pl.Float64}
REFERENCE, TONIGHT = "reference", "night"


def columns() -> dict[str, list[str]]:
    """The columns of a report that explain the signals, with the signals of each, in their order."""
    found: dict[str, list[str]] = {}
    for name, signal in SIGNALS.items():
        found.setdefault(signal.column, []).append(name)
    return found


def night_figures(reader: ReportReader, date: dt.date, line: str | None, digest: str) -> pl.DataFrame:
    """The columns of ``columns`` of a line's readable images that this model has judged. Columns that the report lacks
    are null."""
    images = reader.images([date], [line])  # None is a line too
    there = images.collect_schema().names()
    own = images.filter(pl.col("status") == "ok", pl.col("model_digest") == digest)
    chosen = own.select((pl.col(name) if name in there else pl.lit(None)).alias(name) for name in columns())
    every = math.ceil(int(own.select(pl.len()).collect(engine="streaming").item()) / MOST)
    return (chosen.gather_every(every) if every > 1 else chosen).collect(engine="streaming")


def distribution(column: str, reference: pl.DataFrame, night: pl.DataFrame) -> pl.DataFrame:
    """The share of images in each bin of a figure, or of each class, on both sides: columns ``SCHEMA``. ``low`` and
    ``high`` are null for classes, ``label`` for figures. Empty if one side has no figures."""
    if column == "label":
        return _classes(reference["label"].drop_nulls(), night["label"].drop_nulls())
    sides = {REFERENCE: _values(reference[column]), TONIGHT: _values(night[column])}
    if not all(len(values) for values in sides.values()):
        return pl.DataFrame(schema=SCHEMA)
    both = np.concatenate(list(sides.values()))
    low, high = _range(both)
    edges = np.linspace(low, high, BINS + 1)
    parts = []
    for side, values in sides.items():
        counts = np.histogram(values.clip(edges[0], edges[-1]), edges)[0]
        shares = {"low": edges[:-1], "high": edges[1:], "share": counts / len(values)}
        parts.append(pl.DataFrame(shares).with_columns(side=pl.lit(side), label=pl.lit(None, pl.String)))
    return pl.concat(parts).select(SCHEMA.keys())


def _range(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Where the bins begin and end. Values that are all but equal get an axis that can be read: at 0 it goes up,
    elsewhere down, so that a share stays between 0 and 1."""
    low, high = (float(np.quantile(values, tail)) for tail in _TAILS)
    least = _NARROW * max(1.0, abs(high))
    if high - low >= least:
        return low, high
    return (low, low + least) if low < least else (high - least, high)


def _classes(reference: pl.Series, night: pl.Series) -> pl.DataFrame:
    if reference.is_empty() or night.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    names = sorted({*reference.unique(), *night.unique()})
    rows = [
        (None, None, name, side, float((values == name).mean() or 0.0))
        for side, values in ((REFERENCE, reference), (TONIGHT, night))
        for name in names
    ]
    return pl.DataFrame(rows, SCHEMA, orient="row")


def _values(column: pl.Series) -> npt.NDArray[np.float64]:
    values = column.cast(pl.Float64).drop_nulls()
    return values.filter(values.is_finite()).to_numpy()
