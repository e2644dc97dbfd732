"""The images of a night as points: their embeddings, projected onto the two directions in which they differ most.

Projection: principal component analysis. Pearson (1901), "On lines and planes of closest fit to systems of points in
space"; computed by the singular value decomposition of NumPy.
"""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import numpy.typing as npt
import polars as pl

from steelflow.report.reader import ReportReader

MOST = 2000  # points
_REFERENCE = ("object_key", "member", "ordinal")
_SHOWN = (*_REFERENCE, "line", "coil", "label", "confidence", "novel", "model_digest")
_TAKEN = 4  # candidates for each point, before the smallest hashes are chosen

Floats = npt.NDArray[np.float64]


def points(reader: ReportReader, night: dt.date, line: str | None, total: int, most: int = MOST) -> pl.DataFrame:
    """At most ``most`` images of a line with ``x`` and ``y``, always the same ones: those with the smallest hash of
    their place. Only images of the model that judged most of them are shown: embeddings of two models cannot be
    compared.

    Args:
        total: about how many images the line has on this night. Of many, most are left out while the report is read.

    Returns:
        Reference, line, coil, label, confidence, novel, ``x``, ``y``, and ``explained``: the share of the variance that
        the two directions have. Empty without embeddings.

    Raises:
        ReportError: the night has no report of this line.
    """
    rows = reader.images([night], [line])  # None is a line too
    there = rows.collect_schema().names()
    own = rows.select(
        *((pl.col(name) if name in there else pl.lit(None)).alias(name) for name in _SHOWN), "status", "embedding"
    ).with_columns(draw=pl.struct(_REFERENCE).hash(0))
    thin = max(1, total // (_TAKEN * most))
    own = own.filter(pl.col("status") == "ok", pl.col("draw") % thin == 0).drop("status")
    found = own.bottom_k(_TAKEN * most, by=["draw", *_REFERENCE]).collect(engine="streaming").sort("draw")
    found = found.filter(pl.col("embedding").is_not_null())
    if found.is_empty():
        return pl.DataFrame()
    digest = found["model_digest"].value_counts().sort("count", "model_digest", descending=[True, False])[0, 0]
    found = found.filter(pl.col("model_digest") == digest).head(most)
    place, explained = projected(np.array(found["embedding"].to_list(), np.float64))
    return found.drop("embedding", "draw").with_columns(
        x=pl.Series(place[:, 0]),
        y=pl.Series(place[:, 1]),
        explained=pl.lit(explained),
        novel=pl.col("novel").fill_null(False),
    )


def projected(embedding: Floats) -> tuple[Floats, float]:
    """(N, E) to (N, 2) and the share of the variance that these two directions have. The sign of each direction is
    fixed: its largest component is positive."""
    centred = embedding - embedding.mean(0)
    if embedding.shape[1] < 2 or not centred.any():
        return np.zeros((len(embedding), 2)), 0.0
    _, strengths, directions = np.linalg.svd(centred, full_matrices=False)
    if len(directions) < 2:
        directions = np.vstack([directions, np.zeros_like(directions)])
    first = directions[:2]
    largest = first[np.arange(2), np.abs(first).argmax(1)]
    first = first * np.where(largest < 0, -1, 1)[:, None]
    return centred @ first.T, float((strengths[:2] ** 2).sum() / math.fsum(strengths**2))


def total_of(summary: pl.DataFrame, line: str | None) -> int:
    """The number of images of a line in the summary of a night."""
    return int(summary.filter(pl.col("line").eq_missing(pl.lit(line, pl.String())))["images"].sum())
