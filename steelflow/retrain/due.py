"""Whether a retraining is due: enough new labels, and enough time since the last one."""

from __future__ import annotations

import datetime as dt

import polars as pl

from steelflow.config import Settings
from steelflow.labels import LabelStore, Snapshot, open_labels
from steelflow.registry import Version, open_registry
from steelflow.retrain.record import RetrainResult, last_run, last_snapshot, records
from steelflow.retrain.retraining import Retraining


def due(settings: Settings) -> str | None:
    """Why the number of new labels calls for a retraining, or None if it does not."""
    labels, registry = open_labels(settings), open_registry(settings)
    fresh = labels_since(labels, labels.snapshot(), records(registry.store), registry.champion()).height
    return f"{fresh:,} labels since the last retraining" if fresh >= settings.retrain.new_labels else None


def labels_since(
    labels: LabelStore, snapshot: Snapshot, decided: list[RetrainResult], champion: Version | None
) -> pl.DataFrame:
    """The rows of ``snapshot`` that are new to the last retraining and to the champion."""
    return new_labels(labels, snapshot, last_snapshot(decided), None if champion is None else champion.data_hash)


def new_labels(labels: LabelStore, snapshot: Snapshot, *since: str | None) -> pl.DataFrame:
    """The rows of ``snapshot`` that are in none of the snapshots with the hashes ``since``. A changed label is new."""
    rows = snapshot.frame
    for digest in since:
        before = labels.read_snapshot(digest)
        if before is not None:
            rows = rows.join(before.frame.select("image", "label"), on=["image", "label"], how="anti")
    return rows


def not_due(run: Retraining, decided: list[RetrainResult], fresh: int) -> str | None:
    """Why the retraining has to wait, or None: too few new labels, or the last retraining was too recent. A manual
    retraining has no cooldown."""
    if run.request.force:
        return None
    rules = run.settings.retrain
    if fresh < rules.min_labels:
        return (
            f"{fresh} labels since the last retraining, {rules.min_labels} are needed (retrain.min_labels): label what "
            "`steelflow labels queue` shows"
        )
    last = last_run(decided)
    if run.request.trigger == "manual" or last is None:
        return None
    rest = last + dt.timedelta(hours=rules.cooldown_hours) - run.started
    if rest <= dt.timedelta(0):
        return None
    return (
        f"the last retraining was at {last:%Y-%m-%d %H:%M} UTC, less than {rules.cooldown_hours:g} hours ago "
        f"(retrain.cooldown_hours); wait another {rest.total_seconds() / 3600:.1f} hours"
    )
