"""The model of a queue: the one that inspected the newest night last."""

from __future__ import annotations

import datetime as dt

import polars as pl

from steelflow.report.runs import records_of
from steelflow.store.base import Store


def newest_model(store: Store, night: dt.date, images: pl.LazyFrame) -> str:
    """The digest of the model that inspected ``images`` of a night last, by the order of the night's run records. The
    time in the rows is that of the machines, whose clocks can be wrong: it counts if there is no record."""
    used = images.group_by("model_digest").agg(pl.col("inferred_at").max()).collect(engine="streaming")
    digests = set(used["model_digest"])
    recorded = (record.model.digest for _, record in records_of(store, night))
    latest = used.sort("inferred_at", "model_digest")["model_digest"][-1]
    return next((digest for digest in recorded if digest in digests), str(latest))
