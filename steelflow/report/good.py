"""Which labels are defects. The good classes of the model that judged an image decide, never a setting.

A model's good classes are in its spec (``models.spec.ModelSpec.good``), which is in the footer of every report file.
The summaries keep the answer as the column ``good``: True for a good class, False for a defect, null for an image that
could not be read and for a model without good classes. Such a model calls every image a defect, so only its classes can
be compared.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

import polars as pl

from steelflow.models.spec import METADATA_KEY


def good_classes(metadata: Mapping[bytes, bytes]) -> tuple[str, ...]:
    """The good classes of the model that wrote a report file, from the metadata of its footer. Raises ``ValueError`` if
    they are damaged."""
    spec = json.loads(metadata.get(METADATA_KEY.encode(), b"{}"))
    return tuple(str(name) for name in spec.get("good", ()))


def is_good(label: pl.Expr, good: Collection[str]) -> pl.Expr:
    """The column ``good`` for labels that one model gave."""
    return label.is_in(list(good)) if good else pl.lit(None, pl.Boolean())


def is_defect() -> pl.Expr:
    """Whether the images of a summary's row are defects: readable, and not of a good class."""
    return (pl.col("status") == "ok") & ~pl.col("good").fill_null(False)
