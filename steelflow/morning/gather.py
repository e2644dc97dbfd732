"""Gathers the morning report of a night, or of a shift. Only summaries and counts are held in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from steelflow import __version__
from steelflow.coils.decisions import open_decisions
from steelflow.coils.listing import CoilState, coil_list
from steelflow.config import Settings
from steelflow.drift.check import drift_table
from steelflow.errors import ReportError
from steelflow.morning.content import Bar, Figure, Held, LineRow, Report
from steelflow.morning.pictures import pictures
from steelflow.morning.summary import in_shift, night_summary, refuse_without_times
from steelflow.morning.trust import trust
from steelflow.registry import open_registry
from steelflow.report.rates import Rates, rates
from steelflow.report.record import RunRecord
from steelflow.report.runs import night_record
from steelflow.store import Store, open_store

_HELD, _GRADE, _DECIDED, _CLASSES = 5, 30, 6, 8  # of each are shown
_DIGEST = 8


def gather(settings: Settings, date: dt.date, shift: str | None = None) -> Report:
    """The morning report.

    Args:
        settings: with stores that can be reached.
        shift: one of ``night.shifts``: the figures are of the images taken in it, the coils those that it has seen.

    Raises:
        ReportError: the night has no reports, or no times for a shift.
        ConfigError: no such shift.
        CoilError, RegistryError, StoreError: something cannot be read.
    """
    report = open_store(settings.report.uri, settings.store, create=True)
    where = None if shift is None else in_shift(settings.night.shifts, shift, settings.night.timezone)
    if where is not None:
        refuse_without_times(report, date)
    summary = night_summary(report, date, where)
    if summary.is_empty() and where is None:
        raise ReportError(f"{report.uri}: no reports of {date}; run `steelflow nightly --date {date}` first")
    coils = coil_list(settings, report, open_decisions(settings), date)
    if where is not None:
        seen = set(summary.select("line", "coil").iter_rows())
        coils = [one for one in coils if (one.line, one.coil) in seen]
    record = night_record(report, date)
    held, decided = _to_hold(coils), _decided(coils)
    shown = pictures(settings, report, date, held[:_HELD], settings.morning.pictures, where)
    grade = [f"{one.line or ''} {one.coil}".strip() for one in coils if _is_to_grade(one)]
    found = rates(summary)
    return Report(
        plant=settings.dashboard.title,
        date=date,
        zone=settings.night.timezone,
        shift=shift,
        state="not recorded" if record is None else record.state,
        trust=trust(report, open_registry(settings), date, settings),
        missing=() if record is None else record.missing,
        notes=() if record is None else record.notes,
        figures=_figures(summary, found, coils),
        counts=_counts(coils),
        held=tuple(Held(one, own) for one, own in zip(held[:_HELD], shown, strict=True)),
        held_more=max(0, len(held) - _HELD),
        grade=tuple(grade[:_GRADE]),
        grade_more=max(0, len(grade) - _GRADE),
        rate_name=found.unit.name,
        pareto=_pareto(found),
        lines=_lines(report, date, summary, record),
        decided=tuple(decided[:_DECIDED]),
        decided_more=max(0, len(decided) - _DECIDED),
        models=_models(summary, record),
        version=__version__,
    )


def _to_hold(coils: Iterable[CoilState]) -> list[CoilState]:
    """Coils on which a person must act, those with most defects first; then those that a person holds."""
    found = [one for one in coils if (one.decision is None and one.proposed == "held") or _is(one, "held")]
    return sorted(found, key=lambda one: (one.decision is not None, -(one.rate or 0), -_number(one)))


def _is(coil: CoilState, disposition: str) -> bool:
    return coil.decision is not None and coil.disposition == disposition


def _number(coil: CoilState) -> int:
    return sum(coil.figures.get("classes", {}).values())


def _is_to_grade(coil: CoilState) -> bool:
    return _is(coil, "to be graded") or (coil.decision is None and coil.proposed == "to be graded")


def _decided(coils: Iterable[CoilState]) -> list[CoilState]:
    at = [(one.decision.at, one) for one in coils if one.decision is not None]
    return [one for _, one in sorted(at, key=lambda pair: pair[0], reverse=True)]


def _counts(coils: Sequence[CoilState]) -> dict[str, int]:
    open_ones = [one for one in coils if one.decision is None]
    return {
        "held": sum(_is(one, "held") for one in coils),
        "to hold": sum(one.proposed == "held" for one in open_ones),
        "to grade": sum(_is_to_grade(one) for one in coils),
        "released": sum(_is(one, "released") for one in coils),
        "to release": sum(one.proposed == "released" for one in open_ones),
    }


def _figures(summary: pl.DataFrame, found: Rates, coils: Sequence[CoilState]) -> tuple[Figure, ...]:
    images = int(summary["images"].sum())
    failed = images - found.images
    share = f"{failed / images:.2%} of them" if images else ""
    counts = _counts(coils)
    strip = "" if found.metres is None else f"{found.metres:,.0f} m of strip"
    whole = found.defects is not None
    most = found.classes[0] if found.classes else None
    rate = Figure(found.unit.name.capitalize(), found.unit.text(found.rate), f"{found.defects or 0:,} defects")
    if not whole:
        name = most[0].replace("_", " ") if most else "–"
        rate = Figure("Most frequent class", name, f"{found.unit.text(most[2])} {found.unit.per}" if most else "")
    return (
        Figure("Images found", f"{images:,}", strip),
        Figure("Unreadable", f"{failed:,}", share),
        rate,
        Figure("Coils to hold", f"{counts['held'] + counts['to hold']:,}", f"of {len(coils):,}"),
        Figure("To be graded", f"{counts['to grade']:,}", f"{counts['released']:,} released"),
    )


def _pareto(found: Rates) -> tuple[Bar, ...]:
    total = sum(number for _, number, _ in found.classes)
    bars, so_far = [], 0
    for label, number, rate in found.classes[:_CLASSES]:
        so_far += number
        bars.append(Bar(label, number, found.unit.text(rate), so_far / total if total else 0.0))
    if rest := found.classes[_CLASSES:]:
        bars.append(Bar(f"{len(rest)} more classes", total - so_far, "–", 1.0))
    return tuple(bars)


def _lines(report: Store, date: dt.date, summary: pl.DataFrame, record: RunRecord | None) -> tuple[LineRow, ...]:
    table = drift_table(report, [date]).unique("line", keep="first", maintain_order=True)
    drift = {row["line"]: row for row in table.iter_rows(named=True)}
    rows = []
    for line in sorted(summary["line"].unique(), key=str):
        own = summary.filter(pl.col("line").eq_missing(pl.lit(line, pl.String)))
        found, told = rates(own), drift.get(line)
        images = int(own["images"].sum())
        rows.append(
            LineRow(
                line=line or "all",
                images=images,
                failed=images - found.images,
                coils=own["coil"].drop_nulls().n_unique(),
                rate=found.unit.text(found.rate),
                verdict=None if told is None else told["verdict"],
                text="not checked" if told is None else _drift_text(told),
            )
        )
    away = () if record is None else (one for one in record.missing if ": no images on " in one)
    rows += [LineRow(one.partition(":")[0].removeprefix("line "), 0, 0, 0, "–", None, "no images") for one in away]
    return tuple(rows)


def _drift_text(row: Mapping[str, Any]) -> str:
    """Why a line has its verdict; without what to do about a missing one."""
    if row["breach"]:
        return str(row["text"] or "")
    reason = str(row["reason"] or "")
    return reason.partition(":")[0] if row["verdict"] == "insufficient" else reason


def _models(summary: pl.DataFrame, record: RunRecord | None) -> tuple[str, ...]:
    names = summary["model"].drop_nulls().unique().sort().to_list()
    if record is None:
        return tuple(names)
    own = f"{record.model.name} {record.model.version}"
    return tuple(f"{name} ({record.model.digest[:_DIGEST]})" if name == own else name for name in names)
