"""Compare a night with its reference, and keep the verdict in the drift table.

drift/nights/date=2026-11-18.parquet   every signal of every line on that night; replaced when it is checked again
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import polars as pl

from steelflow.config import DriftSettings
from steelflow.drift.compare import LineReference
from steelflow.drift.estimate import estimated
from steelflow.drift.references import Doubts, Growing, References, no_doubts
from steelflow.drift.sample import Sample, read_report, sample
from steelflow.drift.signals import fixed_thresholds
from steelflow.drift.verdict import LineVerdict, NightVerdict, decide
from steelflow.errors import ObjectNotFound
from steelflow.report.layout import REPORTS, folder, parse_folder
from steelflow.report.own import own_reports
from steelflow.store.base import Store

NIGHTS = "drift/nights/"
MOST_ROWS = 10_000  # of a line on a night
MOST_TABLES = 120  # looked back for the last nights of a line
_FEW = 8

TABLE = {
    "date": pl.Date(),
    "line": pl.String(),
    "signal": pl.String(),
    "family": pl.String(),
    "value": pl.Float64(),
    "threshold": pl.Float64(),
    "fixed": pl.Float64(),
    "bootstrapped": pl.Float64(),
    "share": pl.Float64(),
    "breach": pl.Boolean(),
    "severe": pl.Boolean(),
    "p_value": pl.Float64(),
    "text": pl.String(),
    "verdict": pl.String(),
    "reason": pl.String(),
    "images": pl.Int64(),
    "reference_images": pl.Int64(),
    "model_digest": pl.String(),
    "estimated_accuracy": pl.Float64(),
    "reference_estimate": pl.Float64(),
    "not_estimated": pl.String(),
}
"""Columns of the drift table, one row for each signal of a line. ``verdict`` and all that follow belong to the line. A
line without readings has one row without a signal. ``not_estimated`` is null in tables of older versions."""

Samples = Mapping[str | None, Sample]
Find = Callable[[str | None, Sample], LineReference | str]


def night_table(date: dt.date) -> str:
    """The key of a night's drift table. The time of the object is that of the last check."""
    return f"{NIGHTS}date={date.isoformat()}.parquet"


def check_night(
    report: Store,
    date: dt.date,
    settings: DriftSettings,
    model_digest: str,
    reference: bytes | None = None,
    doubts: Doubts = no_doubts,
    *,
    keep: bool = True,
) -> NightVerdict:
    """Compare a night's reports with the reference, and keep the verdict in the drift table.

    Every command and page that gives the verdict on a night gets it here, so all of them agree.

    Args:
        report: the root of the reports.
        model_digest: of the model that inspects; rows made by another model are left out.
        reference: the profile that the model brings; without one its first sound nights become the reference.
        doubts: why the night as a whole must not become part of a reference; called if that is to be decided.
        keep: write the drift table and let the first nights grow; without it nothing is written.

    Raises:
        DriftError: the reference is damaged, or was made with another model; nothing is changed.
        ConfigError: ``settings.thresholds`` names an unknown signal.
    """
    references = References(report, model_digest, reference, settings.max_novel)
    growing = Growing(references, date, settings, doubts, keep=keep)
    samples = night_samples(report, date, model_digest)
    earlier = breaches_before(report, date, samples, model_digest, settings.window - 1)
    verdict = judge_night(date, samples, growing.find, model_digest, earlier, settings)
    if not keep:
        return verdict
    buffer = io.BytesIO()
    table_of(verdict).drop("date").write_parquet(buffer, compression="zstd")
    report.put(night_table(date), buffer.getvalue())
    return verdict


def judge_nights(
    nights: Iterable[tuple[dt.date | None, Samples]], find: Find, model_digest: str, settings: DriftSettings
) -> Iterator[NightVerdict]:
    """The verdict on each night, in order; breaches of the nights before count, see ``verdict.decide``.

    Args:
        nights: date and samples by line.
        find: returns a line's reference, or the reason why there is none.
    """
    earlier: dict[str | None, list[bool]] = {}
    for date, samples in nights:
        verdict = judge_night(date, samples, find, model_digest, earlier, settings)
        for line in verdict.lines:
            if line.verdict != "insufficient":
                earlier.setdefault(line.line, []).append(bool(line.breaches))
        yield verdict


def judge_night(
    date: dt.date | None,
    samples: Samples,
    find: Find,
    model_digest: str,
    earlier: Mapping[str | None, Sequence[bool]],
    settings: DriftSettings,
) -> NightVerdict:
    """The verdict on one night, as ``judge_nights``. ``earlier`` holds the breaches of the nights before, by line."""
    fixed = fixed_thresholds(settings.thresholds)
    lines = [
        _judge_line(line, drawn, find(line, drawn), earlier.get(line, ()), fixed, settings)
        for line, drawn in sorted(samples.items(), key=lambda item: str(item[0]))
    ]
    return NightVerdict(date=date, model_digest=model_digest, lines=tuple(lines))


def _judge_line(
    line: str | None,
    drawn: Sample,
    reference: LineReference | str,
    earlier: Sequence[bool],
    fixed: Mapping[str, float],
    settings: DriftSettings,
) -> LineVerdict:
    if not drawn.images:
        also = f" ({reference})" if isinstance(reference, str) else ""
        reason = f"no readable images judged by this model; run `steelflow nightly` with it on this night{also}"
        return LineVerdict(line=line, verdict="insufficient", reason=reason, images=0)
    if drawn.images < settings.min_images:
        few = (
            f"{drawn.images} readable images; a verdict takes {settings.min_images}: add images of the night and run "
            "`steelflow nightly`, or lower drift.min_images"
        )
        also = f" ({reference})" if isinstance(reference, str) else ""
        return LineVerdict(line=line, verdict="insufficient", reason=few + also, images=drawn.images)
    if isinstance(reference, str):
        return LineVerdict(line=line, verdict="insufficient", reason=reference, images=drawn.images)
    readings = reference.compare(line, drawn.rows, fixed, settings.severe)
    verdict, reason = decide(readings, earlier, settings)
    tonight = estimated(drawn.rows)
    return LineVerdict(
        line=line,
        verdict=verdict,
        reason=reason,
        images=drawn.images,
        readings=readings,
        reference_images=reference.images,
        estimated_accuracy=tonight.accuracy,
        reference_estimate=reference.estimated_accuracy,
        not_estimated=tonight.why_not,
    )


def night_samples(report: Store, date: dt.date, model_digest: str) -> dict[str | None, Sample]:
    """A sample of the night's rows for each line that has a report. Rows made by another model are left out.

    Holds the samples and one file in memory.
    """
    folders = report.folders(f"{REPORTS}date={date.isoformat()}/")
    partitions = (parse_folder(f"date={date.isoformat()}/{name}/") for name in folders)
    samples = {}
    for partition in sorted((one for one in partitions if one), key=str):
        keys = sorted(info.key for info in own_reports(report, report.list(REPORTS + folder(partition))))
        frames = (rows for key in keys if (rows := read_report(report, key)) is not None)
        said = {"line": pl.lit(partition.line, pl.String()), "date": pl.lit(date, pl.Date())}
        own = (rows.filter(pl.col("model_digest") == model_digest).with_columns(**said) for rows in frames)
        samples[partition.line] = sample(own, MOST_ROWS)
    return samples


def forget_line(report: Store, date: dt.date, line: str | None) -> None:
    """Take a line out of the drift table of a night: its reports were dropped."""
    key = f"{NIGHTS}date={date.isoformat()}.parquet"
    try:
        table = pl.read_parquet(io.BytesIO(report.get(key)), hive_partitioning=False)
    except ObjectNotFound:  # the night was not checked
        return
    kept = table.filter(pl.col("line").ne_missing(pl.lit(line, pl.String())))
    if kept.is_empty():
        report.delete(key)
    elif kept.height < table.height:
        buffer = io.BytesIO()
        kept.write_parquet(buffer, compression="zstd")
        report.put(key, buffer.getvalue())


def drift_table(report: Store, dates: Collection[dt.date] | None = None) -> pl.DataFrame:
    """The drift table of these nights (all nights by default), columns ``TABLE``; empty if none was checked."""
    frames = [pl.DataFrame(schema=TABLE)]
    prefixes = [NIGHTS] if dates is None or len(dates) > _FEW else [f"{NIGHTS}date={date}." for date in set(dates)]
    for info in (info for prefix in prefixes for info in report.list(prefix)):
        night = _date(info.key)
        if night is not None and (dates is None or night in dates):
            frame = pl.read_parquet(io.BytesIO(report.get(info.key)), hive_partitioning=False)
            dated = frame.with_columns(date=pl.lit(night, pl.Date()))
            missing = [pl.lit(None).alias(name) for name in TABLE if name not in dated.columns]
            frames.append(dated.with_columns(missing).select(*TABLE).cast(TABLE))  # type: ignore[arg-type]  # dicts are invariant
    return pl.concat(frames).sort("date", "line", "share", descending=[False, False, True], nulls_last=True)


def breaches_before(
    report: Store, date: dt.date, lines: Collection[str | None], model_digest: str, count: int
) -> dict[str | None, list[bool]]:
    """Whether each line breached on its last ``count`` nights before ``date``, oldest first.

    The nights are those on which this model gave the line a verdict, however long ago: a line that runs once a week has
    the same window as a line that runs every night. Of the tables, at most the latest ``MOST_TABLES`` are read.
    """
    found: dict[str | None, list[bool]] = {line: [] for line in lines}
    nights = sorted(night for info in report.list(NIGHTS) if (night := _date(info.key)) and night < date)
    for night in reversed(nights[-MOST_TABLES:]):
        if all(len(known) >= count for known in found.values()):
            break
        table = drift_table(report, [night]).filter(
            (pl.col("model_digest") == model_digest) & (pl.col("verdict") != "insufficient")
        )
        for (line,), rows in table.group_by("line"):
            if line in found and len(found[line]) < count:
                found[line].insert(0, bool(rows["breach"].fill_null(value=False).any()))
    return found


def table_of(verdict: NightVerdict) -> pl.DataFrame:
    """The rows of a night in the drift table."""
    rows = [
        {
            **(one.to_dict() if one is not None else {}),
            **line.to_dict(),
            "date": verdict.date,
            "model_digest": verdict.model_digest,
        }
        for line in verdict.lines
        for one in (line.readings or (None,))
    ]
    return pl.DataFrame([{name: row.get(name) for name in TABLE} for row in rows], schema=TABLE)


def _date(key: str) -> dt.date | None:
    partition = parse_folder(key.removesuffix(".parquet") + "/line=")
    return None if partition is None else partition.date
