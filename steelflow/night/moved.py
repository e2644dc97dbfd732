"""Images that count twice: they have moved in the archive, and the reports of their old place still count them.

Only nights whose images may have moved are compared: a coil of this night is in their reports, too, or both have images
without a coil, or the archive no longer has a folder for them. Then images are compared by their names below the
folders of line and date, and by the figures of their pictures.
"""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Collection, Iterator

import polars as pl

from steelflow.archive.discovery import discover
from steelflow.archive.template import KeyTemplate
from steelflow.errors import ObjectNotFound, ReportError, StoreError
from steelflow.records import Partition
from steelflow.report.reader import ReportReader
from steelflow.report.scan import scan
from steelflow.schema import QUALITY
from steelflow.store import Store

_ROWS = 5000  # of one line's night that are compared
_BARE_ROWS = 200_000  # the same where no coil says which images may have moved
_LOOKED_FOR = 20  # objects
_SAME = ("place", "member", "ordinal", "width", "height", *QUALITY)


def moved(
    report: Store,
    archive: Store,
    template: KeyTemplate,
    here: Collection[Partition],
    nights: int,
) -> Iterator[str]:
    """A sentence for each line's night whose images are now among those of ``here``, the partitions of one date.

    Args:
        nights: how many nights with reports are compared, before and after the date.

    Raises:
        StoreError: archive or reports cannot be read.
    """
    dates = {partition.date for partition in here if partition.date is not None}
    if len(dates) != 1 or not nights:
        return
    (date,) = dates
    reader = ReportReader(report)
    near = [night for night in reader.nights() if night <= date][-nights - 1 :]
    near += [night for night in reader.nights() if night > date][:nights]
    files = {one: infos for one, infos in reader.files(near).items() if one not in here}
    if not files:
        return
    kept = set(discover(archive, template, near).partitions)
    ours = _Ours(reader, date, {partition.line for partition in here}, template)
    for partition, infos in sorted(files.items(), key=str):
        gone = partition not in kept
        if gone and partition.date == date:  # named as a line without images
            continue
        rows = scan(report, infos)
        of_coils = rows if gone else rows.filter(pl.col("coil").is_in(ours.coils))
        bare = rows.filter(pl.col("coil").is_null())
        for part in (of_coils.head(_ROWS), *((bare.head(_BARE_ROWS),) if ours.bare and not gone else ())):
            found = ours.twins(part)
            if any(_is_gone(archive, key) for key in found["object_key"].unique().head(_LOOKED_FOR)):
                yield _sentence(partition, found, date, gone)
                break


class _Ours:
    """The images of the night: their coils, and what they look like. They are read when they are first needed."""

    def __init__(
        self, reader: ReportReader, date: dt.date, lines: Collection[str | None], template: KeyTemplate
    ) -> None:
        try:
            self._rows = reader.images([date], lines)
        except ReportError:  # nothing was inspected
            self._rows = pl.LazyFrame(schema={"coil": pl.String(), "object_key": pl.String(), "line": pl.String()})
        self._depth = template.nightly_depth
        coils = self._rows.select(pl.col("coil").unique()).collect(engine="streaming")["coil"]
        self.coils: list[str] = coils.drop_nulls().to_list()
        self.bare = coils.null_count() > 0
        self._known: pl.DataFrame | None = None

    def twins(self, rows: pl.LazyFrame) -> pl.DataFrame:
        """``object_key`` of the rows that are images of this night, with its ``line``."""
        asked = self._marked(rows, "object_key").collect()
        if self._known is None and not asked.is_empty():
            self._known = self._marked(self._rows, "line").collect(engine="streaming")
        known = pl.DataFrame(schema={"mark": pl.UInt64(), "line": pl.String()}) if self._known is None else self._known
        return asked.join(known, on="mark", how="inner")

    def _marked(self, rows: pl.LazyFrame, column: str) -> pl.LazyFrame:
        """One number for each image, and ``column``. An even picture looks like any other: it is left out."""
        if "width" not in rows.collect_schema().names():
            return pl.LazyFrame(schema={"mark": pl.UInt64(), column: pl.String()})
        place = pl.col("object_key").str.replace(rf"^(?:[^/]*/){{{self._depth}}}", "")
        return (
            rows.filter(pl.col("status") == "ok", pl.col("contrast") > 0)
            .with_columns(place=place)
            .select(pl.struct(*_SAME).hash().alias("mark"), column)
        )


def _is_gone(archive: Store, key: str) -> bool:
    try:
        archive.stat(key)
    except ObjectNotFound:
        return True
    except StoreError:  # of this object alone: it is there
        return False
    return False


def _sentence(partition: Partition, found: pl.DataFrame, date: dt.date, gone: bool) -> str:
    lines = ", ".join(sorted(f"line {line}" for line in found["line"].unique() if line is not None))
    where = f"{lines} on {date}" if lines else str(date)
    line = f"line {partition.line} on " if partition.line is not None else ""
    way = (
        f"steelflow nights drop --date {partition.date}"
        + (f" --line {shlex.quote(partition.line)}" if partition.line is not None else "")
        if gone
        else f"steelflow nightly --date {partition.date}"
    )
    return (
        f"{line}{partition.date}: its reports have images that the archive now has in {where}; they count twice until "
        f"its reports are {'dropped' if gone else 'renewed'}: {way}"
    )
