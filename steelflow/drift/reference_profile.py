"""The reference profile: what the images of each line looked like to a model on nights without drift.

A profile is a sample of report rows, stored as a Parquet file. Any statistic can be computed from it, including signals
that are added later. If the profile lacks a signal's column, the signal is not compared. A version in the registry may
bring a profile as ``reference.parquet``. Other models get one from their first nights, see ``references``.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from steelflow.drift.sample import IMAGE, readable, thinned
from steelflow.errors import DriftError
from steelflow.schema import QUALITY

MOST_ROWS = 5_000  # of a line
_KEY = b"steelflow.drift"
_VERSION = 1
_NECESSARY = (*IMAGE, "line", "date", "coil", "label", "confidence", *QUALITY, "model_digest")


@dataclass(frozen=True, slots=True)
class Profile:
    """A reference of one model.

    Attributes:
        rows: a sample of report rows, columns ``sample.COLUMNS``.
        images: the number of images that were sampled, by line; one line named None if the images have no lines.
    """

    model_digest: str
    rows: pl.DataFrame
    images: dict[str | None, int]

    def line(self, name: str | None) -> pl.DataFrame | None:
        """The rows to compare a line with: its own; all of them if the profile or the night has no lines; else None."""
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
    """As ``build_profile``, from rows with the columns ``sample.COLUMNS``, as a ``Profile``."""
    own = rows.filter(pl.col("model_digest") == model_digest)
    if own.is_empty():
        raise DriftError(f"no image classified by model {model_digest[:12]}: a reference needs images; give some")
    lines = own.partition_by("line", as_dict=True, maintain_order=True)
    images = {name: part.height for (name,), part in sorted(lines.items(), key=lambda item: str(item[0]))}
    kept = pl.concat([thinned(lines[(name,)], most) for name in images]).sort("line", *IMAGE)
    return Profile(model_digest, kept, images)


def parse_profile(content: bytes, where: str) -> Profile:
    """Read the bytes that ``build_profile`` returned. ``where`` names their place in the error.

    A column that was added to ``sample.COLUMNS`` after the profile was written is null.

    Raises:
        DriftError: they are not a profile, are damaged, or lack a column that every profile has.
    """
    try:
        table = pq.read_table(pa.BufferReader(content))
        about = json.loads((table.schema.metadata or {})[_KEY])
        if missing := [name for name in _NECESSARY if name not in table.column_names]:
            raise DriftError(f"{where}: a drift reference without {', '.join(missing)}; build it again from a report")
        frame = readable(pl.DataFrame(table))
        images = {None if line is None else str(line): int(count) for line, count in about["images"]}
        if about["version"] != _VERSION or frame.is_empty():
            raise ValueError(f"version {about['version']}, {frame.height} rows")
        return Profile(str(about["model_digest"]), frame, images)
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, KeyError, ValueError, TypeError) as exc:
        raise DriftError(
            f"{where}: no drift reference, or a damaged one ({type(exc).__name__}); build it again from a report"
        ) from exc


def is_profile(content: bytes) -> bool:
    """Whether these bytes are a profile rather than another Parquet file. True for what is not Parquet at all."""
    try:
        return _KEY in (pq.read_metadata(pa.BufferReader(content)).metadata or {})
    except (pa.ArrowException, OSError):
        return True  # ``parse_profile`` then says what is wrong
