"""Aggregates of a partition, small enough for a dashboard to read years of them."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

import polars as pl

from steelflow.errors import ObjectNotFound, ReportError
from steelflow.records import ObjectInfo, Partition
from steelflow.report.footer import Footer, each_footer
from steelflow.report.good import is_good
from steelflow.report.layout import REPORTS, folder, summary_key
from steelflow.report.own import own_reports
from steelflow.report.region_file import load_regions
from steelflow.report.scan import scan
from steelflow.report.unit_summary import BANDS, KNOWN, MEANS, SUMS, read_unit_summary
from steelflow.store.base import Store

KEYS = ("coil", "status", "label", "good", "band", "model")
COLUMNS = (*KEYS, *SUMS, "strip", *MEANS)
SUMMARY = pl.Schema(
    {"coil": pl.String(), "status": pl.String(), "label": pl.String(), "good": pl.Boolean()}
    | {"band": pl.UInt8(), "model": pl.String()}
    | {"images": pl.UInt32(), "novel": pl.UInt32(), "regions": pl.UInt32(), "defect_area": pl.Int64()}
    | {"length": pl.Float64(), "strip": pl.Float64()}
    | dict.fromkeys(MEANS, pl.Float32())
)

_CAMERA = ("camera", "side")
_IMAGE = ("object_key", "member", "ordinal")
_READ = {
    **dict.fromkeys(("coil", "status", "label", "model_name", "model_version", *_CAMERA), pl.String()),
    "novel": pl.UInt32(),
    "regions": pl.UInt32(),
    "defect_area": pl.Int64(),
    "length": pl.Float64(),
    **dict.fromkeys(MEANS, pl.Float64()),
}
"""The columns that are read from the rows. Reports of whole images, and older ones, lack some; these are null."""
_TOGETHER = 16  # files in memory at a time
_FOLDED = 256  # summaries of units that wait to be added up
_OF_REGIONS = ("regions", "defect_area")
_FINE = {name: SUMMARY[name] for name in KEYS} | dict.fromkeys(_CAMERA, pl.String()) | {n: SUMMARY[n] for n in SUMS}
_FINE |= dict.fromkeys(MEANS, pl.Float64())
_PART = pl.Schema({**_FINE, **dict.fromkeys(KNOWN, pl.UInt32())})
"""Counted rows: sums, and of how many images the means are."""
_FORMAT = "steelflow.summary"
_VERSION = "2"  # raise it if the same rows give another summary: 2 counts regions at their own label


def write_summary(store: Store, partition: Partition) -> None:
    """Summarise the rows of the partition's reports, and write the summary; see ``summarised``."""
    files = own_reports(store, store.list(REPORTS + folder(partition)))
    if not files:
        return
    buffer = io.BytesIO()
    summarised(store, files).write_parquet(buffer, compression="zstd", metadata={_FORMAT: _VERSION})
    store.put(summary_key(partition), buffer.getvalue())


def summarised(store: Store, files: Sequence[ObjectInfo], where: pl.Expr | None = None) -> pl.DataFrame:
    """The rows of report files, or those for which ``where`` holds, counted by ``KEYS``; columns ``SUMMARY``.

    ``good`` is explained in ``report.good``. ``band`` is the confidence band; it is null for images that could not be
    read. ``model`` is name and version. ``images``, ``novel`` images, ``regions``, ``defect_area`` (pixels) and
    ``length`` (metres) are sums; null where no image has the figure. Regions and their area are counted at their own
    label and at the band of their score. A frame can have regions of several classes, so a row may have no images.
    ``strip`` is the length of the coil in metres, the longest of its cameras and sides, in every row of the coil; null
    if it is not known. The means are over the images of the group: ``confidence`` of the label, and the four quality
    figures.
    """
    fine = _added(_parts(store, files, where))
    means = []
    for name in MEANS:
        known = pl.col(f"{name} known").sum()
        means.append(pl.when(known > 0).then(pl.col(name).sum() / known).alias(name))
    counted = fine.group_by(KEYS).agg(*(total(name) for name in SUMS), *means)
    cameras = fine.group_by("coil", *_CAMERA).agg(total("length"))
    strips = cameras.group_by("coil").agg(strip=pl.col("length").max())
    joined = counted.join(strips, on="coil", how="left", nulls_equal=True)
    return joined.select(SUMMARY.names()).cast(SUMMARY).sort(KEYS, nulls_last=True)


def _parts(store: Store, files: Sequence[ObjectInfo], where: pl.Expr | None) -> Iterator[pl.DataFrame]:
    """Counted rows, columns ``_PART``. The footers have them; rows are read if an older version wrote the report, and
    for ``where``."""
    footers: dict[str, Footer] = {}
    for info, footer in each_footer(store, files):
        kept = _kept(footer) if where is None else None
        if kept is None:
            footers[info.key] = dataclasses.replace(footer, summary=b"")
        else:
            yield kept
    unread = [info for info in files if info.key in footers]
    chosen = pl.lit(True) if where is None else where
    for good, beside, own in _batches(unread, footers):
        yield _counted(_read(scan(store, own).filter(chosen), good, beside)).collect(engine="streaming")
    for info in unread:
        if footers[info.key].counts.regions:
            yield _regions(store, info, footers[info.key], where)


def _kept(footer: Footer) -> pl.DataFrame | None:
    """The summary in a footer; None if there is none, or it is not of the rows that the footer counts."""
    told = read_unit_summary(footer.summary)
    if told is None or footer.model is None:
        return None
    try:
        name, version, _ = footer.model
        rows = pl.DataFrame(told, schema_overrides={column: _PART[column] for column in told})
        known = rows.with_columns(good=is_good(pl.col("label"), footer.good), model=pl.lit(f"{name} {version}"))
        part = known.select(_PART.names())
    except (pl.exceptions.PolarsError, KeyError, TypeError, ValueError):
        return None
    same = (part["images"].sum(), part["regions"].sum()) == (footer.counts.found, footer.counts.regions)
    return part if same else None


def _added(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Counted rows, added up where all keys are the same."""
    added, waiting = pl.DataFrame(schema=_PART), list[pl.DataFrame]()
    for part in parts:
        waiting.append(part)
        if len(waiting) == _FOLDED:
            added, waiting = _grouped([added, *waiting]), []
    return _grouped([added, *waiting])


def _grouped(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    sums = (total(name) for name in SUMS), (pl.col(name).sum() for name in (*MEANS, *KNOWN))
    grouped = pl.concat(parts).group_by(*KEYS, *_CAMERA).agg(*sums[0], *sums[1])
    return grouped.select(pl.col(name).cast(kind) for name, kind in _PART.items())


def _batches(
    files: Sequence[ObjectInfo], footers: Mapping[str, Footer]
) -> Iterator[tuple[tuple[str, ...], bool, list[ObjectInfo]]]:
    """The files by the good classes of the model that judged them, and whether they have regions beside them; a limited
    number at a time, because files in use are in memory."""
    groups: dict[tuple[tuple[str, ...], bool], list[ObjectInfo]] = {}
    for info in files:
        footer = footers[info.key]
        if footer.fingerprint:
            groups.setdefault((footer.good, footer.counts.regions > 0), []).append(info)
    damaged = [info for info in files if not footers[info.key].fingerprint]  # ``scan`` decides about these
    if not files:
        return
    for (good, beside), own in groups.items() or [(((), False), [])]:
        for start in range(0, max(len(own), 1), _TOGETHER):
            yield good, beside, [*own[start : start + _TOGETHER], *damaged]
            damaged = []


def _counted(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows with the columns ``_FINE``, by ``KEYS`` and camera; columns ``_PART``."""
    counted = rows.group_by(*KEYS, *_CAMERA).agg(
        *(total(name) for name in SUMS),
        *(pl.col(name).sum() for name in MEANS),
        *(pl.col(name).count().alias(count) for name, count in zip(MEANS, KNOWN, strict=True)),
    )
    return counted.select(pl.col(name).cast(kind) for name, kind in _PART.items())


def _read(rows: pl.LazyFrame, good: tuple[str, ...], beside: bool) -> pl.LazyFrame:
    """The rows of images in the columns ``_FINE``, without the regions that are rows ``beside`` them."""
    there = rows.collect_schema().names()
    columns = ((pl.col(name) if name in there else pl.lit(None)).cast(kind).alias(name) for name, kind in _READ.items())
    known = rows.select(columns).with_columns(
        good=is_good(pl.col("label"), good),
        band=band(pl.col("confidence").cast(pl.Float32)),
        model=pl.concat_str("model_name", "model_version", separator=" "),
        images=pl.lit(1, SUMMARY["images"]),
    )
    # Zero, not null: whether the image was searched for regions remains.
    none = (pl.when(pl.col(name).is_not_null()).then(0).cast(_FINE[name]).alias(name) for name in _OF_REGIONS)
    return known.with_columns(none if beside else ()).select(*_FINE)


def _regions(store: Store, report: ObjectInfo, footer: Footer, where: pl.Expr | None) -> pl.DataFrame:
    """The regions of one report, or those of its images for which ``where`` holds, as from ``_counted``."""
    found = load_regions(store, report.key, footer)
    if where is not None:
        images = scan(store, [report]).filter(where).select(_IMAGE).collect(engine="streaming")
        found = found.join(images, on=_IMAGE, how="semi", nulls_equal=True)
    rows = found.with_columns(
        status=pl.lit("ok"),
        good=is_good(pl.col("label"), footer.good),
        band=band(pl.col("score")),
        model=pl.concat_str("model_name", "model_version", separator=" "),
    )
    told = rows.with_columns(images=pl.lit(0), regions=pl.lit(1), defect_area=pl.col("area"))
    others = (pl.lit(None).alias(name) for name in _FINE if name not in told.columns)
    full = told.with_columns(others).select(pl.col(name).cast(kind) for name, kind in _FINE.items())
    return _counted(full.lazy()).collect()


def read_summary(data: bytes) -> pl.DataFrame:
    """A summary with the columns ``COLUMNS``. Columns that an older version did not write are null."""
    frame = pl.read_parquet(io.BytesIO(data), hive_partitioning=False)
    if frame.schema == SUMMARY:
        return frame
    empty = pl.DataFrame(schema=SUMMARY)
    return pl.concat(
        [empty, frame.select(pl.col(name).cast(SUMMARY[name]) for name in SUMMARY if name in frame.columns)],
        how="diagonal",
    )


def load_summary(store: Store, partition: Partition) -> pl.DataFrame:
    """The summary of a partition, as from ``read_summary``.

    Raises:
        ObjectNotFound: there is no summary.
        ReportError: the summary is damaged.
    """
    key = summary_key(partition)
    try:
        return read_summary(store.get(key))
    except pl.exceptions.PolarsError as exc:
        raise ReportError(
            f"{store.uri}/{key}: is damaged; run `steelflow nightly --date {partition.date}` to write it again"
        ) from exc


def is_current(store: Store, partition: Partition) -> bool:
    """Whether the partition has a summary of this version with all columns. Otherwise it must be written again."""
    try:
        data = store.get(summary_key(partition))
        told = pl.read_parquet_metadata(io.BytesIO(data))
        return told.get(_FORMAT) == _VERSION and set(COLUMNS) <= set(pl.read_parquet_schema(io.BytesIO(data)))
    except (ObjectNotFound, pl.exceptions.PolarsError):
        return False


def merged(summary: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The rows of a summary by fewer keys: sums are added, means are weighted by images. ``strip`` is kept if the coil
    is among the keys; otherwise it would count a coil several times."""
    images = pl.col("images")
    means = []
    for name in MEANS:
        known = images.filter(pl.col(name).is_not_null()).sum()
        means.append(pl.when(known > 0).then((pl.col(name) * images).sum() / known).alias(name))
    strip = [pl.col("strip").max()] if "coil" in keys else []
    return summary.group_by(keys).agg(*(total(name) for name in SUMS), *strip, *means)


def total(name: str) -> pl.Expr:
    """The sum of a column; null, not zero, if every value is."""
    return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)


def band(confidence: pl.Expr) -> pl.Expr:
    """The band of a confidence, see ``BANDS``."""
    passed = pl.sum_horizontal((confidence >= pl.lit(start, pl.Float32)).cast(pl.UInt8) for start in BANDS)
    return pl.when(confidence.is_not_null()).then(passed).cast(pl.UInt8)
