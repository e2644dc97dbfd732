"""The defects of a line's night, counted by coil, side, class and severity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from steelflow.config import SeverityRule
from steelflow.records import ObjectInfo, Partition
from steelflow.report.good import is_defect
from steelflow.report.layout import REPORTS, folder
from steelflow.report.regions import RegionReader
from steelflow.report.scan import scan
from steelflow.store.base import Store
from steelflow.strip.severity import DENSITY, severities, severities_at

_KEYS = ("coil", "side", "label", "severity")
_COUNTS = ("defects", "unplaced", "unscaled")
_TEXTS = dict.fromkeys(("line", *_KEYS), pl.String())
NUMBERS = pl.Schema({**_TEXTS, **dict.fromkeys(_COUNTS, pl.Int64())})
"""``unplaced`` of the ``defects`` have no place along the coil, ``unscaled`` no size in mm."""
METRES = pl.Schema({**_TEXTS, "metre": pl.Int64()})
"""``metre`` is a metre of the coil from its head, counted whole, that a defect touches."""

Counted = tuple[pl.DataFrame, pl.DataFrame]
_FILES = 16  # reports whose regions are in memory
_LONGEST = 10_000.0  # metres of one region


def report_files(report: Store, partition: Partition) -> list[ObjectInfo]:
    """The report files of a line's night."""
    return [info for info in report.list(REPORTS + folder(partition)) if info.key.endswith(".parquet")]


def of_regions(
    report: Store, files: Sequence[ObjectInfo], strips: pl.DataFrame, severity: Sequence[SeverityRule]
) -> Counted:
    """The regions of the frames of these files, as ``NUMBERS`` and ``METRES`` without the line.

    Args:
        strips: ``coil`` and ``strip``, its length in metres.
        severity: the rules of the settings; without any, the severities are those in the files.

    Raises:
        ReportError: regions are missing or damaged.
    """
    dense = any(rule.per_100m is not None for rule in severity)
    density = _density(report, files, strips) if dense else None
    numbers, metres = pl.DataFrame(schema=NUMBERS).drop("line"), pl.DataFrame(schema=METRES).drop("line")
    for rows in _regions(report, files):
        if density is not None:
            joined = rows.join(density, on=["coil", "side", "label"], how="left", nulls_equal=True)
            rows = rows.with_columns(severities_at(joined, severity).alias("severity"))
        elif severity:
            rows = rows.with_columns(severities(rows, severity).alias("severity"))
        counted = rows.group_by(_KEYS).agg(
            defects=pl.len().cast(pl.Int64),
            unplaced=_unknown("along"),
            unscaled=_unknown("length_mm"),
        )
        numbers = pl.concat([numbers, counted.select(numbers.columns)])
        numbers = numbers.group_by(_KEYS).agg(pl.col(_COUNTS).sum())
        metres = pl.concat([metres, _metres(rows)]).unique()
    return numbers, metres


def of_images(report: Store, files: Sequence[ObjectInfo], summary: pl.DataFrame, lengths: bool) -> Counted:
    """The defects of images that have no regions: each readable image of a class that is not good is one.

    Args:
        summary: of the line's night, columns ``report.summary.SUMMARY``.
        lengths: read the positions of the images, too. An image counts as one metre of strip.
    """
    whole = is_defect() & (pl.col("regions").is_null() | pl.col("good").is_null()) & pl.col("coil").is_not_null()
    none = pl.lit(None, pl.String)
    counted = summary.filter(whole).group_by("coil", "label").agg(defects=pl.col("images").sum().cast(pl.Int64))
    numbers = counted.with_columns(side=none, severity=none, unplaced=pl.col("defects"), unscaled=pl.col("defects"))
    metres = pl.DataFrame(schema=METRES).drop("line")
    if lengths and counted.height:
        shown = scan(report, files).filter(
            pl.col("status") == "ok",
            pl.col("coil").is_not_null(),
            pl.col("label").is_in(counted["label"].unique().implode()),
        )
        place = pl.col("position")
        metre = pl.when(place.is_finite()).then(place.floor()).cast(pl.Int64)
        rows = shown.group_by("coil", "label", metre.alias("metre")).agg(lost=pl.len().cast(pl.Int64))
        found = rows.collect(engine="streaming")
        lost = found.filter(pl.col("metre").is_null()).select("coil", "label", "lost")
        numbers = numbers.join(lost, on=["coil", "label"], how="left").with_columns(
            unplaced=pl.col("lost").fill_null(0)
        )
        metres = found.drop_nulls("metre").with_columns(side=none, severity=none).select(metres.columns)
    return numbers.select(*_KEYS, *_COUNTS), metres


def _unknown(name: str) -> pl.Expr:
    return (~pl.col(name).is_finite()).fill_null(True).sum().cast(pl.Int64)


def _regions(report: Store, files: Sequence[ObjectInfo]) -> Iterator[pl.DataFrame]:
    """The regions that lie on a coil, a few files at a time."""
    for start in range(0, len(files), _FILES):
        rows = RegionReader(report).of_files(files[start : start + _FILES])
        yield rows.filter(pl.col("coil").is_not_null())


def _density(report: Store, files: Sequence[ObjectInfo], strips: pl.DataFrame) -> pl.DataFrame:
    """``coil``, ``side``, ``label`` and their regions in 100 m of the coil."""
    keys = ["coil", "side", "label"]
    counted = [pl.DataFrame(schema={**dict.fromkeys(keys, pl.String()), "defects": pl.UInt32()})]
    counted += [rows.group_by(keys).agg(defects=pl.len()) for rows in _regions(report, files)]
    known = pl.when(pl.col("strip") > 0).then(100 * pl.col("defects") / pl.col("strip"))
    summed = pl.concat(counted).group_by(keys).agg(pl.col("defects").sum())
    return summed.join(strips, on="coil", how="left").select(*keys, known.alias(DENSITY))


def _metres(rows: pl.DataFrame) -> pl.DataFrame:
    """The metres that regions with a place touch."""
    half = pl.col("length_mm").cast(pl.Float64).fill_nan(0).fill_null(0).clip(0, 1000 * _LONGEST) / 2000
    first, last = ((pl.col("along") + side * half).floor().cast(pl.Int64) for side in (-1, 1))
    placed = rows.filter(pl.col("along").is_finite())
    metre = pl.int_ranges(first, last + 1).alias("metre")
    return placed.select(*_KEYS, metre).explode("metre").unique()
