"""What the reports of a night say of its coils: the figures that a proposal is made from.

Counts come from the summaries, so a million images cost as much as a hundred. Defects are regions where the reports
have some; their files are read a few at a time, and only counts and metres of strip are kept.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from steelflow.coils.defects import METRES, NUMBERS, of_images, of_regions, report_files
from steelflow.config import SeverityRule
from steelflow.drift.check import drift_table
from steelflow.errors import ObjectNotFound, ReportError
from steelflow.records import ObjectInfo, Partition
from steelflow.report.footer import read_footers
from steelflow.report.good import is_defect
from steelflow.report.layout import SUMMARIES, parse_folder
from steelflow.report.rates import number
from steelflow.report.reader import is_asked
from steelflow.report.record import RunRecord
from steelflow.report.runs import night_record
from steelflow.report.summary import load_summary
from steelflow.store.base import Store

COILS = pl.Schema(
    {
        "line": pl.String(),
        "coil": pl.String(),
        "grade": pl.String(),  # several are joined by " / "; null if the archive gives none
        "images": pl.Int64(),
        "failed": pl.Int64(),
        "novel": pl.Int64(),  # null for a model without limits of novelty
        "strip": pl.Float64(),  # metres; null if the length is not known
        "defects": pl.Int64(),  # null if a model knows no good classes
        "models": pl.List(pl.String()),  # name and version of those that judged
        "drift": pl.String(),  # the verdict on the line; null if it was not checked
        "incomplete": pl.Boolean(),  # whether the night misses something that concerns this line
    }
)


@dataclass(frozen=True, slots=True)
class Facts:
    """The coils of a night.

    Attributes:
        date: the night.
        coils: one row per line and coil, columns ``COILS``.
        numbers: defects by line, coil, side, label and severity, columns ``defects.NUMBERS``.
        metres: the metres of strip, counted whole, that have such a defect, columns ``defects.METRES``. Empty for
            images that were judged as a whole, unless the lengths were asked for.
        missing: what the night misses, in sentences.
    """

    date: dt.date
    coils: pl.DataFrame
    numbers: pl.DataFrame
    metres: pl.DataFrame
    missing: tuple[str, ...]


def facts(
    report: Store,
    date: dt.date,
    lines: Collection[str | None] | None = None,
    severity: Sequence[SeverityRule] = (),
    lengths: bool = False,
) -> Facts:
    """The facts of all coils of a night, in order of line and name. Images without a coil are left out.

    Args:
        report: the root of the reports.
        severity: the rules of the settings; without any, the severities are those in the files.
        lengths: read the positions of images that were judged as a whole, too: one more pass over their rows.

    Raises:
        ReportError: the night has no reports, or one of them is damaged.
    """
    record = night_record(report, date)
    frames, numbers, metres = (
        [pl.DataFrame(schema=COILS)],
        [pl.DataFrame(schema=NUMBERS)],
        [pl.DataFrame(schema=METRES)],
    )
    for partition, summary in _summaries(report, date, lines):
        files = report_files(report, partition)
        strips = summary.group_by("coil").agg(pl.col("strip").max())
        found = of_regions(report, files, strips, severity)
        whole = of_images(report, files, summary, lengths)
        line = pl.lit(partition.line, pl.String).alias("line")
        numbers += [one.with_columns(line).select(NUMBERS.names()).cast(NUMBERS) for one in (found[0], whole[0])]
        metres += [one.with_columns(line).select(METRES.names()).cast(METRES) for one in (found[1], whole[1])]
        frames.append(_coils(summary, partition.line, _grades(report, files), concerns(record, partition.line)))
    if len(frames) == 1:
        raise ReportError(f"{report.uri}: no reports of {date}; run `steelflow nightly --date {date}` first")
    verdicts = drift_table(report, [date]).select("line", drift=pl.col("verdict")).unique("line", keep="first")
    coils = pl.concat(frames).drop("drift").join(verdicts, on="line", how="left", nulls_equal=True)
    return Facts(
        date=date,
        coils=coils.select(COILS.names()).sort("line", "coil", nulls_last=True),
        numbers=pl.concat(numbers).sort(NUMBERS.names(), nulls_last=True),
        metres=pl.concat(metres),
        missing=() if record is None else record.missing,
    )


def _summaries(
    report: Store, date: dt.date, lines: Collection[str | None] | None
) -> Iterator[tuple[Partition, pl.DataFrame]]:
    for info in report.list(f"{SUMMARIES}date={date.isoformat()}/"):
        partition = parse_folder(info.key.removesuffix(".parquet"))
        if partition is not None and is_asked(partition, None, lines):
            try:
                yield partition, load_summary(report, partition)
            except ObjectNotFound:  # deleted since it was listed
                continue


def _coils(summary: pl.DataFrame, line: str | None, grades: Mapping[str, str], incomplete: bool) -> pl.DataFrame:
    readable, images = pl.col("status") == "ok", pl.col("images").cast(pl.Int64)
    knows = pl.col("good").filter(readable).is_not_null().all()
    known = pl.col("novel").filter(readable).is_not_null().any()
    coils = (
        summary.filter(pl.col("coil").is_not_null())
        .group_by("coil")
        .agg(
            images=images.sum(),
            failed=images.filter(~readable).sum(),
            novel=pl.when(known).then(pl.col("novel").cast(pl.Int64).filter(readable).sum()),
            strip=pl.col("strip").max(),
            defects=pl.when(knows).then(number().filter(is_defect()).sum()),
            models=pl.col("model").drop_nulls().unique().sort(),
        )
    )
    told = coils.with_columns(
        line=pl.lit(line, pl.String),
        grade=pl.Series([grades.get(coil) for coil in coils["coil"]], dtype=pl.String),
        drift=pl.lit(None, pl.String),
        incomplete=pl.lit(incomplete),
    )
    return told.select(COILS.names()).cast(COILS)


def _grades(report: Store, files: Sequence[ObjectInfo]) -> dict[str, str]:
    """The grades of the coils, from the notes of their reports."""
    found: dict[str, dict[str, None]] = {}
    for footer in read_footers(report, files).values():
        for coil, grades in footer.notes.grades.items():
            found.setdefault(coil, {}).update(dict.fromkeys(grades))
    return {coil: " / ".join(sorted(grades)) for coil, grades in found.items()}


def concerns(record: RunRecord | None, line: str | None) -> bool:
    """Whether what a night misses concerns a line. A night without a record was never finished."""
    if record is None or record.state in ("limited", "failed units"):
        return True
    return any(is_about(one, line) for one in record.missing)


def is_about(missing: str, line: str | None) -> bool:
    """Whether a sentence about what a night misses is about this line, or about all."""
    return not missing.startswith("line ") or missing.startswith(f"line {line}:")
