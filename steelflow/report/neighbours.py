"""Images that are similar for the model: the nearest in embedding space among the rows of a report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

LOOKED = 200_000  # rows that are compared; with more a person would wait too long
COLUMNS = ("object_key", "member", "ordinal", "coil", "label", "confidence")
_CHUNK = 16_384


def neighbours(images: pl.LazyFrame, embedding: Sequence[float], model_digest: str, most: int = 8) -> pl.DataFrame:
    """At most ``most`` rows, the nearest first: ``COLUMNS`` and ``distance``, the Euclidean distance of the embeddings.

    Only rows of the same model are compared: embeddings of two models are not comparable. Only the first ``LOOKED``
    rows are compared, one chunk in memory at a time.
    """
    own = images.filter(pl.col("status") == "ok", pl.col("model_digest") == model_digest)
    asked = own.select(*COLUMNS, "embedding").head(LOOKED)
    point = np.asarray(embedding, np.float32)
    best: pl.DataFrame | None = None
    for chunk in asked.collect_batches(chunk_size=_CHUNK, maintain_order=True):
        points = np.asarray(chunk["embedding"].to_list(), np.float32).reshape(-1, len(point))
        near = chunk.drop("embedding").with_columns(distance=pl.Series(np.sqrt(((points - point) ** 2).sum(1))))
        best = near if best is None else pl.concat([best, near])
        best = best.sort("distance", maintain_order=True).head(most)
    return best if best is not None else asked.drop("embedding").with_columns(distance=pl.lit(0.0)).head(0).collect()
