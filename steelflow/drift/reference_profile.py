"""The reference profile: what the images of each line looked like to a model while all was well.

A sample of report rows, as the bytes of a Parquet file: every statistic can be computed from it, one that is thought of
next year too. It is ``reference.parquet`` of a version in the registry; a model that brings none gets one from its
first nights, see ``references``.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from steelflow.drift.sample import COLUMNS, IMAGE, readable, thinned
from steelflow.errors import DriftError

MOST_ROWS = 5_000  # of a line
_KEY = b"steelflow.drift"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Profile:
    """``rows`` have the columns ``sample.COLUMNS``; ``images`` says of how many images of each line they are a sample
    (one line named None where the images have no lines)."""

    model_digest: str
    rows: pl.DataFrame
    images: dict[str | None, int]

    def line(self, name: str | None) -> pl.DataFrame | None:
        """The rows that a line is compared with: its own, or all where profile or night know no lines; else None."""
        if name in self.images:
            return self.rows.filter(pl.col("line").eq_missing(name))
        return self.rows if name is None or set(self.images) == {None} else None

    @property
    def nights(self) -> list[str]:
        return [date.isoformat() for date in self.rows["date"].drop_nulls().unique().sort()]

    def to_bytes(self) -> bytes:
        table = self.rows.to_arrow()
        about = {
            "version": _VERSION,
            "model_digest": self.model_digest,
            "classes": sorted(self.rows["label"].drop_nulls().unique()),
            "nights": self.nights,
            "images": [[line, count] for line, count in self.images.items()],
        }
        buffer = io.BytesIO()
        with_about = {**(table.schema.metadata or {}), _KEY: json.dumps(about).encode()}
        pq.write_table(table.replace_schema_metadata(with_about), buffer, compression="zstd")
        return buffer.getvalue()


def build_profile(rows: pl.DataFrame, model_digest: str, most: int = MOST_ROWS) -> bytes:
    """A profile of report rows (all lines, one model), at most ``most`` of each line, as the bytes of its file.

    Raises:
        DriftError: no row was classified by this model.
    """
    frame = readable(rows)
    return profile_of(frame, model_digest, most).to_bytes()


def profile_of(rows: pl.DataFrame, model_digest: str, most: int = MOST_ROWS) -> Profile:
    """The same of rows with the columns ``sample.COLUMNS``. Raises ``DriftError``, as ``build_profile``."""
    own = rows.filter(pl.col("model_digest") == model_digest)
    if own.is_empty():
        raise DriftError(f"no image classified by model {model_digest[:12]}: a reference needs images; give some")
    lines = own.partition_by("line", as_dict=True, maintain_order=True)
    images = {name: part.height for (name,), part in sorted(lines.items(), key=lambda item: str(item[0]))}
    kept = pl.concat([thinned(lines[(name,)], most) for name in images]).sort("line", *IMAGE)
    return Profile(model_digest, kept, images)


def parse_profile(content: bytes, where: str) -> Profile:
    """Read what ``build_profile`` gave. ``where`` names it for the error.

    Raises:
        DriftError: it is no profile, or a damaged one.
    """
    try:
        table = pq.read_table(pa.BufferReader(content))
        about = json.loads((table.schema.metadata or {})[_KEY])
        frame = pl.DataFrame(table).select(pl.col(name).cast(kind) for name, kind in COLUMNS.items())
        images = {None if line is None else str(line): int(count) for line, count in about["images"]}
        if about["version"] != _VERSION or frame.is_empty():
            raise ValueError(f"version {about['version']}, {frame.height} rows")
        return Profile(str(about["model_digest"]), frame, images)
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, KeyError, ValueError, TypeError) as exc:
        raise DriftError(
            f"{where}: no drift reference, or a damaged one ({type(exc).__name__}); build it again from a report"
        ) from exc


def is_profile(content: bytes) -> bool:
    """Whether these bytes say that they are a profile, and not any other Parquet file."""
    try:
        return _KEY in (pq.read_metadata(pa.BufferReader(content)).metadata or {})
    except (pa.ArrowException, OSError):
        return True  # ``parse_profile`` says what is wrong with it
