"""Roll marks of a partition, as one small file beside its summary: what `steelflow rolls` and the dashboard read.

They come from the regions of all units of a night, and from the settings ``rolls`` and ``marks``. So they are written
when the night ends, and again when one of these settings has changed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
from collections.abc import Collection, Sequence

import polars as pl

from steelflow.config import Settings
from steelflow.errors import ObjectNotFound, ReportError
from steelflow.records import ObjectInfo, Partition
from steelflow.report.layout import MARKS, marks_key, parse_folder
from steelflow.report.reader import files_of, is_asked, path_columns
from steelflow.report.regions import RegionReader
from steelflow.report.scan import scan
from steelflow.store.base import Store
from steelflow.strip.rolls import IN_FRAME, NEEDED, ROLL, Camera, roll_marks
from steelflow.strip.rolls import MARKS as COLUMNS

_SETTINGS = "steelflow.settings"
_VERSION = 2  # raise it if the same regions give other marks


def write_marks(store: Store, partition: Partition, settings: Settings) -> int:
    """Find the roll marks of a partition and write them, even if there are none; returns their number. Marks of dirt on
    a camera are written as well, and not counted.

    The files of regions are read one after the other, and only what marks need is kept.

    Raises:
        ReportError: a report names regions that are missing or damaged.
    """
    reader = RegionReader(store)
    infos = [info for found in files_of(store, [_date(partition)], [partition.line]).values() for info in found]
    needed = [*NEEDED, *IN_FRAME]
    parts = [reader.of_files([info]).select(needed).drop_nulls(["coil", "along", "across_mm"]) for info in infos]
    if not parts:
        return 0
    regions = pl.concat(parts)
    marks = roll_marks(regions, settings.rolls, settings.marks, _steps(store, infos) if regions.height else None)
    buffer = io.BytesIO()
    marks.drop("line", "date").write_parquet(buffer, compression="zstd", metadata={_SETTINGS: _digest(settings)})
    store.put(marks_key(partition), buffer.getvalue())
    return marks.filter(cause=ROLL).height


def _steps(store: Store, infos: Sequence[ObjectInfo]) -> dict[Camera, float]:
    """Metres from a frame to the next, of each camera of each coil: the median. Left out if positions are unknown."""
    rows = scan(store, infos)
    needed = ("coil", "camera", "side", "position")
    if not set(needed) <= set(rows.collect_schema().names()):
        return {}
    known = rows.select(needed).filter(pl.col("coil").is_not_null() & pl.col("position").is_finite())
    apart = pl.col("position").sort().diff()
    steps = known.group_by(needed[:3]).agg(apart.filter(apart > 0).median()).collect(engine="streaming")
    return {(coil, camera, side): step for coil, camera, side, step in steps.drop_nulls("position").iter_rows()}


def drop_marks(store: Store, partition: Partition) -> None:
    """Delete the roll marks of a partition that has no frames any more."""
    store.delete(marks_key(partition))


def marks_are_current(store: Store, partition: Partition, settings: Settings) -> bool:
    """Whether the partition has roll marks that were found with these settings."""
    try:
        data = store.get(marks_key(partition))
        return pl.read_parquet_metadata(io.BytesIO(data)).get(_SETTINGS) == _digest(settings)
    except (ObjectNotFound, pl.exceptions.PolarsError):
        return False


def read_marks(
    store: Store, dates: Collection[dt.date] | None = None, lines: Collection[str | None] | None = None
) -> pl.DataFrame:
    """The roll marks of these nights and lines, columns ``strip.rolls.MARKS``; empty if there are none.

    Raises:
        ReportError: a file of marks is damaged.
    """
    tops = [MARKS] if dates is None else [f"{MARKS}date={date.isoformat()}/" for date in sorted(set(dates))]
    frames = [pl.DataFrame(schema=COLUMNS)]
    for info in (info for top in tops for info in store.list(top)):
        partition = parse_folder(info.key.removesuffix(".parquet"))
        if partition is None or not is_asked(partition, dates, lines):
            continue
        try:
            found = pl.read_parquet(io.BytesIO(store.get(info.key)), hive_partitioning=False)
        except ObjectNotFound:  # deleted since it was listed
            continue
        except pl.exceptions.PolarsError as exc:
            raise ReportError(
                f"{store.uri}/{info.key}: is damaged; run `steelflow nightly --date {partition.date}` to write it again"
            ) from exc
        missing = {"cause": pl.lit(ROLL), "camera": pl.lit(None)}  # of the version before
        told = {name: value for name, value in missing.items() if name not in found.columns}
        frames.append(found.with_columns(*path_columns(partition), **told).select(COLUMNS.names()).cast(COLUMNS))
    return pl.concat(frames)


def _digest(settings: Settings) -> str:
    chosen = settings.model_dump(mode="json", include={"rolls", "marks"})
    return hashlib.sha256(json.dumps([_VERSION, chosen], sort_keys=True).encode()).hexdigest()


def _date(partition: Partition) -> dt.date:
    assert partition.date is not None, "a night has a date"
    return partition.date
