"""The images before and after one image, within the filters and the order of the page Images. No Streamlit.

Rows are counted while they stream, so memory does not grow with the night.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from dashboard.data import images
from dashboard.data.images import Counts, Wanted
from steelflow.archive.fetch import ImageRef
from steelflow.report.reader import ReportReader

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Around:
    """``place`` (from 1) of an image among all that the filters choose, and its neighbours, columns
    ``images.COLUMNS``; None at an end."""

    place: int
    before: Row | None
    after: Row | None


def around(reader: ReportReader, wanted: Wanted, counts: Counts, line: str | None, image: ImageRef) -> Around | None:
    """The neighbours of an image of a line. None if the filters leave it out.

    Args:
        counts: of the same filters, see ``images.count``.
    """
    if not counts.get(line):
        return None
    number = _place(reader, wanted, counts, line, image)
    if number is None:
        return None
    first = max(0, number - 1)
    near = list(images.page(reader, wanted, counts, first, number - first + 2).iter_rows(named=True))
    here = number - first
    return Around(number + 1, near[here - 1] if here else None, near[here + 1] if here + 1 < len(near) else None)


def _place(reader: ReportReader, wanted: Wanted, counts: Counts, line: str | None, image: ImageRef) -> int | None:
    """The number of an image from 0, in the order of ``images.page``."""
    own = images.rows(reader, wanted.night, line).filter(wanted.expression)
    if wanted.order == "archive":
        numbered = own.select("object_key", "member", "ordinal").with_row_index("number")
        found = numbered.filter(images.is_image(image)).select("number").collect(engine="streaming")
        lines = [name for name, many in counts.items() if many]
        return sum(counts[name] for name in lines[: lines.index(line)]) + int(found.item()) if found.height else None
    score, down = images.SCORES[wanted.order]
    row = own.filter(images.is_image(image)).select(score).collect(engine="streaming")
    if not row.height:
        return None
    every = pl.concat([images.rows(reader, wanted.night, name) for name, many in counts.items() if many])
    earlier = _earlier(score, down, row.item(), image)
    chosen = every.filter(wanted.expression).select(earlier.sum())
    return int(chosen.collect(engine="streaming").item())


def _earlier(score: str, down: bool, value: float | None, image: ImageRef) -> pl.Expr:
    """Whether a row comes before the image with this score: by score, key and ordinal; rows without a score last."""
    of, key, ordinal = pl.col(score), pl.col("object_key"), pl.col("ordinal")
    tie = (key < image.key) | ((key == image.key) & (ordinal < image.ordinal))
    if value is None:
        return of.is_not_null() | tie
    level = pl.lit(value, pl.Float32())
    better = (of > level) if down else (of < level)
    return (better | ((of == level) & tie)).fill_null(False)
