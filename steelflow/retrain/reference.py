"""The drift reference that a new model brings: a sample of the latest nights, judged by it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from itertools import islice

import polars as pl
import pyarrow as pa

from steelflow.archive.fetch import ImageRef, fetch_images
from steelflow.config import Settings
from steelflow.drift import build_profile, drift_table
from steelflow.drift.estimate import MOST_NOVEL, sound_nights
from steelflow.engine import Engine
from steelflow.inspection.judge import Judge, frame_of
from steelflow.records import Partition, RawImage, Unit
from steelflow.report.judged import Origin, rows
from steelflow.report.reader import ReportReader
from steelflow.store import open_store

_IMAGES = 2000  # of a line
_OF_A_COIL = 250
_BATCH = 64
_LOOKED_AT = 500_000
_PLACE = ("line", "date")
_REFERENCE = ("object_key", "member", "ordinal")


def recent_reference(settings: Settings, engine: Engine) -> bytes | None:
    """A profile of the images of the latest nights (``drift.reference_nights`` of each line) as ``engine`` sees them.

    The gate has judged ``engine`` on the golden set and on recent labels, so a night counts unless most of its images
    are unlike the training images. If a line has drifted, only the nights since then count: a mixture of before and
    after would be like neither. Whole coils are drawn, since the images of one coil are alike: up to 250 images of a
    coil, until 2,000 images of a line.

    Returns:
        The profile, or None if no line has ``drift.min_images`` images both in reports and in the archive.
    """
    report = open_store(settings.report.uri, settings.store, create=True)
    reader = ReportReader(report)
    dates = reader.nights()[-settings.drift.reference_nights :]
    chosen = _sample(reader, dates, before_drift(drift_table(report, dates)))
    if chosen.is_empty():
        return None
    frames = [
        _judged(settings, Partition(line, date), part, engine)
        for (line, date), part in chosen.group_by("line", "date", maintain_order=True)
    ]
    frame = sound_nights(pl.concat(frames, how="diagonal_relaxed").filter(pl.col("status") == "ok"), MOST_NOVEL)
    enough = frame.group_by("line").len().filter(pl.col("len") >= settings.drift.min_images)
    frame = frame.join(enough, on="line", how="semi", nulls_equal=True)
    return None if frame.is_empty() else build_profile(frame, engine.digest)


def before_drift(table: pl.DataFrame) -> pl.DataFrame:
    """The nights before a drift that still lasts: for each line whose latest night warns or alarms, all nights before
    the unbroken series of such nights.

    Returns:
        The columns line and date.
    """
    nights = table.group_by(*_PLACE).agg(moved=pl.col("verdict").is_in(["warn", "alarm"]).any()).sort(*_PLACE)
    since = nights.with_columns(calm_after=(~pl.col("moved")).cum_max(reverse=True).over("line"))
    last = pl.col("moved").last().over("line")
    return since.filter(pl.col("calm_after"), last).select(_PLACE)


def _sample(reader: ReportReader, dates: Collection[dt.date], without: pl.DataFrame) -> pl.DataFrame:
    """References with line and date, by partition and key, but for the lines and dates in ``without``."""
    if not dates:
        return pl.DataFrame()
    good = reader.images(dates).filter(pl.col("status") == "ok").select(*_PLACE, "coil", *_REFERENCE)
    good = good.with_columns(group=pl.coalesce("coil", "object_key"))
    good = good.join(without.lazy(), on=_PLACE, how="anti", nulls_equal=True)
    thin = max(1, good.select(pl.len()).collect().item() // _LOOKED_AT)
    good = good.filter(pl.col("group").hash(1) % thin == 0)  # for millions of images, some of the coils are enough
    sizes = good.group_by(*_PLACE, "group").agg(images=pl.len().clip(upper_bound=_OF_A_COIL)).collect()
    order = sizes.with_columns(turn=pl.struct(*_PLACE, "group").hash(2)).sort("turn")
    before = pl.col("images").cum_sum().over("line") - pl.col("images")
    coils = order.filter(before < _IMAGES).lazy()
    found = good.join(coils, on=[*_PLACE, "group"], how="semi", nulls_equal=True).collect()
    turn = pl.struct(*_REFERENCE).hash(3).rank("ordinal").over(*_PLACE, "group")
    return found.filter(turn <= _OF_A_COIL).sort(*_PLACE, *_REFERENCE)


def _judged(settings: Settings, partition: Partition, references: pl.DataFrame, engine: Engine) -> pl.DataFrame:
    """Report rows for these images, judged as a night judges them. An image that is no longer in the archive is a
    failed row."""
    archive = open_store(settings.archive.uri, settings.store)
    coils = dict(zip(references.select(_REFERENCE).rows(), references["coil"], strict=True))
    unit = Unit(id="", partition=partition, kind="loose", objects=())
    origin = Origin(unit=unit, spec=engine.spec, model_digest=engine.digest, run_id="", novelty=engine.novelty)
    frame = frame_of(settings.frame, engine.spec, partition.line)
    judge = Judge(engine, settings.limits.of(partition.line), engine.spec, frame)
    fetched = fetch_images(archive, [ImageRef(*row) for row in coils], settings.limits)
    tables = []
    while batch := [
        RawImage(key=place.key, member=place.member, ordinal=place.ordinal or 0, data=data, coil=coils[tuple(place)])
        for place, data in islice(fetched, _BATCH)
    ]:
        tables.append(rows(judge.images(batch), origin))
    found = pl.from_arrow(pa.concat_tables(tables))
    assert isinstance(found, pl.DataFrame)
    return found
