"""What people should read about the models of a night: there are two, or another one has inspected it before."""

from __future__ import annotations

import datetime as dt

import polars as pl

from steelflow.report.reader import files_of
from steelflow.report.record import RunRecord
from steelflow.report.scan import scan
from steelflow.store.base import Store

_NAMED = 5  # lines
_TOGETHER = 16  # files that are in memory at a time


def models_note(report: Store, date: dt.date) -> tuple[str, ...]:
    """A sentence if the reports of a night are of several models, with their lines; nothing if they are of one."""
    parts = [
        scan(report, infos[start : start + _TOGETHER])
        .select(pl.lit(partition.line, pl.String).alias("line"), "model_name", "model_digest")
        .unique()
        .collect(engine="streaming")
        for partition, infos in files_of(report, [date], None).items()
        for start in range(0, len(infos), _TOGETHER)
    ]
    if not parts:  # no reports
        return ()
    found = pl.concat(parts).unique()
    models = found.group_by("model_digest", "model_name").agg(pl.col("line").sort()).sort("model_digest")
    if models.height < 2:
        return ()
    told = "; ".join(
        f"{name} {digest[:8]}: {', '.join(str(line) for line in lines[:_NAMED])}{' …' if len(lines) > _NAMED else ''}"
        for digest, name, lines in models.select("model_digest", "model_name", "line").iter_rows()
    )
    return (f"the night of {date} has rows of {models.height} models ({told}); run it without --line to have one",)


def replaced_note(before: RunRecord | None, digest: str) -> tuple[str, ...]:
    """A sentence if the night was inspected by another model before.

    Args:
        before: the record of the night until now.
        digest: of the model that inspected it now.
    """
    if before is None or not before.found or before.model.digest in ("", digest):
        return ()
    was = f"{before.model.name} {before.model.digest[:8]}"
    return (f"the night of {before.date} was inspected by {was} before; the new reports replace them",)
