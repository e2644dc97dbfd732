"""The images of a night, one page at a time: only the shown columns and rows are read. No Streamlit.

Counts come from the summaries if these have them, so a million images are counted as fast as a hundred. Lines are read
in order, and only those of the page are opened.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from steelflow.archive.fetch import ImageRef
from steelflow.errors import ReportError
from steelflow.report.reader import ReportReader

Order = Literal["archive", "least sure", "most novel"]
ORDERS: tuple[Order, ...] = ("archive", "least sure", "most novel")
SCORES = {"least sure": ("confidence", False), "most novel": ("novelty", True)}
"""The column that an order is by, and whether its highest value comes first."""

COLUMNS = {
    "object_key": pl.String(),
    "member": pl.String(),
    "ordinal": pl.Int32(),
    "line": pl.String(),
    "coil": pl.String(),
    "position": pl.Float64(),
    "status": pl.String(),
    "error": pl.String(),
    "label": pl.String(),
    "confidence": pl.Float32(),
    "novel": pl.Boolean(),
    "novelty": pl.Float32(),
}
"""Columns of a page's rows. Columns that an older report lacks are null."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A choice of images, and their order. Empty or None means all."""

    night: dt.date
    line: str | None = None
    coil: str | None = None
    labels: tuple[str, ...] = ()
    status: Literal["ok", "failed"] | None = None
    novel: bool = False
    low: float = 0.0
    high: float = 1.0
    order: Order = "archive"

    @property
    def one_by_one(self) -> bool:
        """Whether the images must be counted one by one, because the summaries lack the columns."""
        return self.novel or self.low > 0 or self.high < 1

    @property
    def summarised(self) -> pl.Expr:
        """The part of the filter that uses columns of a summary."""
        chosen = pl.lit(True)
        if self.coil is not None:
            chosen &= pl.col("coil") == self.coil
        if self.labels:
            chosen &= pl.col("label").is_in(list(self.labels))
        if self.status is not None:
            chosen &= pl.col("status") == self.status
        return chosen

    @property
    def expression(self) -> pl.Expr:
        chosen = self.summarised
        if self.novel:
            chosen &= pl.col("novel").fill_null(False)
        if self.low > 0 or self.high < 1:
            # The slider has whole percents. Both ends are included, despite the rounding of float32.
            chosen &= pl.col("confidence").is_between(pl.lit(self.low - 1e-6), pl.lit(self.high + 1e-6))
        return chosen


Counts = dict[str | None, int]


def count(reader: ReportReader, summary: pl.DataFrame, wanted: Wanted) -> Counts:
    """The number of images of each line, in order. ``summary`` is that of the night."""
    found = summary.filter(wanted.summarised)
    if wanted.line is not None:
        found = found.filter(pl.col("line") == wanted.line)
    found = found.group_by("line").agg(pl.col("images").sum()).sort("line", nulls_last=True)
    counts: Counts = dict(found.iter_rows())
    if not wanted.one_by_one:
        return counts
    exact = {}
    for line in counts:
        number = rows(reader, wanted.night, line).filter(wanted.expression).select(pl.len())
        exact[line] = int(number.collect(engine="streaming").item())
    return exact


def page(
    reader: ReportReader, wanted: Wanted, counts: Mapping[str | None, int], offset: int, most: int
) -> pl.DataFrame:
    """``most`` rows of ``COLUMNS`` from ``offset`` on. With an order by score, memory grows with the offset only."""
    lines = [line for line, number in counts.items() if number]
    frames = [pl.DataFrame(schema=COLUMNS)]
    if wanted.order == "archive":
        for line in lines:
            if most > 0 and offset < counts[line]:
                part = rows(reader, wanted.night, line).filter(wanted.expression).slice(offset, most)
                frames.append(part.collect(engine="streaming"))
                most -= frames[-1].height
            offset = max(0, offset - counts[line])
    elif lines:
        score, down = SCORES[wanted.order]
        chosen = pl.concat([rows(reader, wanted.night, line) for line in lines]).filter(wanted.expression)
        order = [score, "object_key", "ordinal"]
        best = chosen.sort(order, descending=[down, False, False], nulls_last=True).head(offset + most)
        frames.append(best.collect(engine="streaming").slice(offset, most))
    return pl.concat(frames)


def one(reader: ReportReader, night: dt.date, line: str | None, image: ImageRef) -> dict[str, Any] | None:
    """The report's row of one image. None if the report no longer has it."""
    try:
        images = reader.images([night], [line])  # None is a line too
    except ReportError:
        return None
    found = images.filter(is_image(image)).collect()
    return found.row(0, named=True) if found.height else None


def named(
    reader: ReportReader, night: dt.date, line: str | None, coil: str | None, text: str, most: int
) -> list[dict[str, Any]]:
    """At most ``most`` images of a night (and line, and coil) whose key or name in the shard contains a text, in upper
    or lower case; columns ``COLUMNS``. An image in a shard has the key of the shard, ``/`` or ``#``, and its name."""
    try:
        images = reader.images([night], None if line is None else [line])
    except ReportError:
        return []
    if coil is not None:
        images = images.filter(pl.col("coil") == coil)
    whole = pl.concat_str("object_key", "member", separator="/", ignore_nulls=True).str.to_lowercase()
    asked = text.replace("#", "/").replace("\\", "/").lower()
    there = images.collect_schema().names()
    rows = images.filter(whole.str.contains(asked, literal=True)).select(
        (pl.col(name) if name in there else pl.lit(None)).cast(kind).alias(name) for name, kind in COLUMNS.items()
    )
    first = rows.sort("line", "object_key", "ordinal", nulls_last=True).head(most)
    return list(first.collect(engine="streaming").iter_rows(named=True))


def is_image(image: ImageRef) -> pl.Expr:
    return (
        (pl.col("object_key") == image.key)
        & pl.col("member").eq_missing(pl.lit(image.member, pl.String()))
        & (pl.col("ordinal") == image.ordinal)
    )


def reference(row: Mapping[str, Any]) -> ImageRef:
    return ImageRef(row["object_key"], row["member"], row["ordinal"])


def rows(reader: ReportReader, night: dt.date, line: str | None) -> pl.LazyFrame:
    """All rows of a line and night, columns ``COLUMNS``. Raises ``ReportError`` if there are none."""
    images = reader.images([night], [line])  # None is a line too
    there = images.collect_schema().names()
    return images.select(
        (pl.col(name) if name in there else pl.lit(None)).cast(kind).alias(name) for name, kind in COLUMNS.items()
    )
