"""Images of a line's reference and of a night, for the Drift page. No Streamlit."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import polars as pl

from dashboard.data import images
from steelflow.drift import movers as moved
from steelflow.drift.check import drift_table
from steelflow.drift.references import ACCEPTED, References, reference_key
from steelflow.errors import DriftError, ObjectNotFound
from steelflow.registry import Registry
from steelflow.report.reader import ReportReader
from steelflow.store.base import Store

REFERENCE = "reference.parquet"
_IMAGE = ["object_key", "member", "ordinal"]

Rows = list[dict[str, Any]]


def before(report: Store, registry: Registry, line: str | None, digest: str, most: int) -> Rows:
    """``most`` images of the line's reference, always the same ones. None without a reference.

    Raises:
        DriftError, RegistryError: the reference is damaged.
    """
    rows = reference(report, registry, line, digest)
    if rows is None:
        return []
    dated = rows if "date" in rows.columns else rows.with_columns(date=pl.lit(None, pl.Date()))
    return _drawn(dated.lazy().with_columns(status=pl.lit("ok")), most)


def after(reader: ReportReader, date: dt.date, line: str | None, most: int, novel: bool = False) -> Rows:
    """``most`` readable images of the line and night, always the same ones; with ``novel``, only novel images."""
    rows = images.rows(reader, date, line).filter(pl.col("status") == "ok")
    dated = rows.with_columns(date=pl.lit(date))
    return _drawn(dated.filter("novel") if novel else dated, most)


def reference(report: Store, registry: Registry, line: str | None, digest: str) -> pl.DataFrame | None:
    """The rows that a line is compared with, see ``References.line``. None if it has no reference.

    Raises:
        DriftError, RegistryError: the reference is damaged.
    """
    return References(report, digest, _profile(registry, digest)).line(line)


def movers(report: Store, registry: Registry, date: dt.date, line: str | None, signal: str) -> pl.DataFrame:
    """The images of a line and night, those that moved the signal most in front, see ``drift.movers``.

    Raises:
        DriftError: there is no such signal, or the line has no reference.
        ReportError: the night has no report of this line.
    """
    table = drift_table(report, [date]).filter(pl.col("line").eq_missing(pl.lit(line, pl.String())))
    if table.is_empty():
        raise DriftError(f"{line or 'the plant'} was not checked on {date}; run `steelflow drift`")
    digest = table["model_digest"][0]
    known = reference(report, registry, line, digest)
    if known is None:
        raise DriftError(f"{line or 'the plant'} has no reference; run `steelflow nightly` for more nights")
    return moved.movers(signal, known, moved.line_rows(ReportReader(report), date, line, digest))


def accepted(report: Store, digest: str, line: str | None) -> dict[str, Any] | None:
    """Who accepted which nights of a line as normal for a model, when and why; None if nobody did."""
    key = reference_key(ACCEPTED, digest, line).removesuffix(".parquet") + ".json"
    try:
        found = json.loads(report.get(key))
    except (ObjectNotFound, ValueError):
        return None
    return found if isinstance(found, dict) else None


def explanation(report: Store, date: dt.date) -> bytes | None:
    """The page that explains the alarm or warning of a night. None if there was none."""
    try:
        return report.get(f"drift/explanations/date={date.isoformat()}.html")
    except ObjectNotFound:
        return None


def _profile(registry: Registry, digest: str) -> bytes | None:
    version = next((one for one in registry.versions() if one.digest == digest), None)
    return registry.read(version, REFERENCE) if version is not None and REFERENCE in version.files else None


def _drawn(rows: pl.LazyFrame, most: int) -> Rows:
    chosen = rows.select(*_IMAGE, "date", "line", "coil", "label", "confidence", "status", "novel")
    drawn = chosen.with_columns(draw=pl.struct(_IMAGE).hash(0)).bottom_k(most, by=["draw", *_IMAGE])
    return list(drawn.sort("draw").drop("draw").collect(engine="streaming").iter_rows(named=True))
