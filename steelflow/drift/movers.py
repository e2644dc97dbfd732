"""The images of a night that moved a signal of drift: what a person should look at first."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from steelflow.drift.distances import Floats
from steelflow.drift.sample import COLUMNS, IMAGE, readable
from steelflow.drift.signals import SIGNALS
from steelflow.drift.signals.rows import LineRows
from steelflow.errors import DriftError
from steelflow.report.reader import ReportReader

MOST_ROWS = 10_000  # of the line and night


def movers(signal: str, reference: pl.DataFrame, night: pl.DataFrame) -> pl.DataFrame:
    """The rows of a night, those that moved the signal most in front. Rows that are equally far are in the order of a
    hash of their place.

    First come the rows that make up the rise of the signal, if it counts rows (``Signal.standing_out``). Among these,
    and for all other signals, rows are ordered by how far they are from the reference's mean, in its standard
    deviations, on the side to which the night moved; for embeddings by their distance.

    Args:
        reference, night: rows of one line, columns ``sample.COLUMNS``.

    Raises:
        DriftError: there is no such signal.
    """
    if signal not in SIGNALS:
        raise DriftError(f"no signal {signal!r}; there are {', '.join(SIGNALS)}")
    own = SIGNALS[signal]
    flags = own(LineRows(reference)).standing_out(LineRows(night))
    stands = pl.Series(np.zeros(night.height, bool)) if flags is None else flags.fill_null(False)
    pull = _by_embedding(reference, night) if signal == "embedding" else _by_column(own.column, reference, night)
    ordered = night.with_columns(
        stands.alias("stands_out"), pl.Series("pull", pull), draw=pl.struct(IMAGE).hash(0)
    ).sort("stands_out", "pull", "draw", *IMAGE, descending=[True, True, False, False, False, False])
    return ordered.drop("draw")


def line_rows(reader: ReportReader, date: dt.date, line: str | None, model_digest: str) -> pl.DataFrame:
    """At most ``MOST_ROWS`` readable rows of one line and night that this model has judged, columns
    ``sample.COLUMNS``: those with the smallest hash of the image's place, as in the drift check.

    Raises:
        ReportError: the night has no report of this line.
    """
    images = reader.images([date], [line])  # None is a line too
    there = [name for name in images.collect_schema().names() if name in COLUMNS or name == "status"]
    own = images.filter(pl.col("status") == "ok", pl.col("model_digest") == model_digest).select(there)
    drawn = own.with_columns(draw=pl.struct(IMAGE).hash(0)).bottom_k(MOST_ROWS, by=["draw", *IMAGE]).drop("draw")
    rows = readable(drawn.collect(engine="streaming"))
    return rows.with_columns(line=pl.lit(line, pl.String()), date=pl.lit(date)).sort(IMAGE)


def _by_column(column: str, reference: pl.DataFrame, night: pl.DataFrame) -> Floats:
    if column == "label":  # the rows that stand out are equal; the hardest of them come first
        column = "confidence"
        before, now = (-rows[column].cast(pl.Float64).to_numpy() for rows in (reference, night))
        return np.asarray(now - before.mean())
    before, now = (rows[column].cast(pl.Float64).to_numpy() for rows in (reference, night))
    if not np.isfinite(before).any() or not np.isfinite(now).any():
        return np.zeros(night.height)
    middle, spread = float(np.nanmean(before)), max(float(np.nanstd(before)), 1e-9)
    side = 1.0 if float(np.nanmean(now)) >= middle else -1.0
    return np.nan_to_num(side * (now - middle) / spread, nan=-np.inf, neginf=-1e9)


def _by_embedding(reference: pl.DataFrame, night: pl.DataFrame) -> Floats:
    before, now = _embedding(reference), _embedding(night)
    if before is None or now is None or before.shape[1] != now.shape[1]:
        return np.zeros(night.height)
    spread = before.std(0)
    apart = (now - before.mean(0)) / np.where(spread > 0, spread, 1)
    return np.asarray(np.sqrt((apart**2).sum(1)))


def _embedding(rows: pl.DataFrame) -> Floats | None:
    widths = rows["embedding"].list.len()
    if rows.is_empty() or widths.null_count() or widths.n_unique() != 1:
        return None
    return rows["embedding"].list.explode().to_numpy().astype(np.float64).reshape(rows.height, -1)
