"""A sample of a night's report rows. Its size does not grow with the night."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from steelflow.errors import DriftError
from steelflow.schema import QUALITY
from steelflow.store.base import Store

COLUMNS = {
    "object_key": pl.String(),
    "member": pl.String(),
    "ordinal": pl.Int32(),
    "line": pl.String(),
    "date": pl.Date(),
    "coil": pl.String(),
    "label": pl.String(),
    "confidence": pl.Float32(),
    "energy": pl.Float32(),
    "novel": pl.Boolean(),
    **dict.fromkeys(QUALITY, pl.Float32()),
    "embedding": pl.List(pl.Float16()),
    "model_digest": pl.String(),
}
"""The report columns that the drift check uses. Older reports and profiles lack some of them; these are null here."""

_TOGETHER = 64  # frames in memory: a frame of a few rows takes far more than they do
_ALWAYS = ("confidence", *QUALITY)
IMAGE = ("object_key", "member", "ordinal")
_REPORT = {"object_key", "status", "model_digest"}  # a file with these columns is a report


@dataclass(frozen=True, slots=True)
class Sample:
    """``rows`` (columns ``COLUMNS``), drawn from ``images`` readable images."""

    rows: pl.DataFrame
    images: int


def readable(frame: pl.DataFrame) -> pl.DataFrame:
    """The classified rows of a report, columns ``COLUMNS``."""
    good = frame.filter(pl.col("status") == "ok") if "status" in frame.columns else frame
    chosen = [
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in COLUMNS.items()
    ]
    whole = pl.all_horizontal(pl.col("label").is_not_null(), *(pl.col(name).is_finite() for name in _ALWAYS))
    return good.select(chosen).filter(whole)


def read_report(store: Store, key: str) -> pl.DataFrame | None:
    """The ``readable`` rows of one report file; None if the Parquet file is not a report.

    Raises:
        DriftError: the file is damaged.
    """
    content = io.BytesIO(store.get(key))
    try:
        there = pl.read_parquet_schema(content)
        if not set(there) >= _REPORT:
            return None
        wanted = [name for name in there if name in COLUMNS or name == "status"]
        content.seek(0)
        return readable(pl.read_parquet(content, columns=wanted, hive_partitioning=False))
    except (pl.exceptions.PolarsError, OSError) as exc:
        raise DriftError(f"{store.uri}/{key}: cannot be read as Parquet; run the night again") from exc


def sample(frames: Iterable[pl.DataFrame], most: int) -> Sample:
    """At most ``most`` rows: those with the smallest hash of the image's place.

    The same rows are drawn in every run, whatever the order of ``frames``. Holds the sample and a limited number
    of frames in memory.
    """
    kept = [pl.DataFrame(schema=COLUMNS)]
    images = held = 0
    for frame in frames:
        images += frame.height
        held += frame.height
        kept.append(frame)
        if held >= 2 * most or len(kept) > _TOGETHER:
            kept = [_copied(thinned(pl.concat(kept), most))]
            held = kept[0].height
    return Sample(_copied(thinned(pl.concat(kept), most)).sort(IMAGE), images)


def thinned(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """At most ``most`` rows, drawn as in ``sample``."""
    if rows.height <= most:
        return rows
    return rows.sort(pl.struct(IMAGE).hash(0), *IMAGE).head(most)


def _copied(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows in memory of their own. Texts of Polars refer to the buffers that they were read into, so without a
    copy a sample would keep all of them."""
    return pl.DataFrame(rows.to_arrow(compat_level=pl.CompatLevel.oldest()))
