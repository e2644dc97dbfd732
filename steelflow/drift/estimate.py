"""Accuracy without labels, and the share of images for which such an estimate has no meaning.

The mean calibrated confidence estimates the accuracy on images like the training images. A model is as confident on
novel images as well, so no estimate is made if most images are novel.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import polars as pl

MOST_NOVEL = 0.5
"""Above this share of novel images, accuracy is not estimated."""


class Estimate(NamedTuple):
    """``accuracy``, or None and the reason ``why_not``. Both are None if a row lacks the confidence."""

    accuracy: float | None
    why_not: str | None


def novel_share(rows: pl.DataFrame) -> float | None:
    """The share of novel images, of rows that say it; None if none does: a model without limits, or an older report."""
    return cast(float | None, rows["novel"].cast(pl.Float64).mean())


def estimated(rows: pl.DataFrame) -> Estimate:
    """The estimate for rows with ``confidence`` and ``novel``."""
    share = novel_share(rows)
    if share is not None and share > MOST_NOVEL:
        return Estimate(None, f"{share:.0%} of the images are unlike the training images")
    confidence = rows["confidence"].cast(pl.Float64)
    whole = rows.height > 0 and confidence.is_finite().fill_null(False).all()
    return Estimate(cast(float | None, confidence.mean()) if whole else None, None)


def sound_nights(rows: pl.DataFrame, most_novel: float) -> pl.DataFrame:
    """The rows of those nights of each line whose share of novel images is at most ``most_novel``."""
    share = pl.col("novel").cast(pl.Float64).mean().over("line", "date")
    return rows.filter((share <= most_novel).fill_null(True))
