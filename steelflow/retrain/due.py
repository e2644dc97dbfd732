"""Whether a retraining is due: enough new labels, and enough time since the last one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from steelflow.config import Settings
from steelflow.labels import LabelStore, Snapshot, open_labels
from steelflow.labels.framed import frame_labels, frame_snapshot, groups_trained, not_in
from steelflow.registry import Version, open_registry
from steelflow.retrain.material import SHIPPED
from steelflow.retrain.record import RetrainResult, last_run, last_snapshot, records
from steelflow.retrain.retraining import Retraining
from steelflow.retrain.strip.champion import judges_views


@dataclass(frozen=True, slots=True)
class Due:
    """Why a retraining is due, and the ``key`` of its request: of several requests with one key, one is served."""

    reason: str
    key: str


def due(settings: Settings) -> Due | None:
    """Whether a retraining is due by the number of new labels."""
    labels, registry = open_labels(settings), open_registry(settings)
    decided, champion = records(registry.store), registry.champion()
    if judges_views(settings, champion):
        snapshot, new = frames_since(labels, decided, champion)
        fresh = new.height
    else:
        snapshot = labels.snapshot()
        fresh = labels_since(labels, snapshot, decided, champion).height
    key = f"labels:{snapshot.hash}"
    if fresh >= settings.retrain.new_labels:
        return Due(f"{fresh:,} labels since the last retraining", key)
    changed = changed_classes(labels, champion, snapshot, decided)
    return Due("; ".join(changed), key) if changed else None


def changed_classes(
    labels: LabelStore, champion: Version | None, snapshot: Snapshot, decided: list[RetrainResult]
) -> list[str]:
    """The classes of the champion that were retired, renamed or merged since, in words. None if a retraining has
    decided on these labels already, or the champion is the model that ships: another plant has other classes."""
    if champion is None or champion.data_hash == SHIPPED or last_snapshot(decided) == snapshot.hash:
        return []
    meaning = labels.class_names()
    changes = (meaning.change_of(name) for name in champion.classes)
    return [str(one) for one in dict.fromkeys(changes) if one is not None]


def labels_since(
    labels: LabelStore, snapshot: Snapshot, decided: list[RetrainResult], champion: Version | None
) -> pl.DataFrame:
    """The rows of ``snapshot`` that are new to the last retraining and to the champion."""
    return new_labels(labels, snapshot, last_snapshot(decided), None if champion is None else champion.data_hash)


def frames_since(
    labels: LabelStore, decided: list[RetrainResult], champion: Version | None
) -> tuple[Snapshot, pl.DataFrame]:
    """The labels of frames and regions, and those of them that are new to the last retraining and to the champion."""
    golden = labels.golden()
    before = [labels.read_snapshot(last_snapshot(decided))]
    before.append(None if champion is None else labels.read_snapshot(champion.data_hash))
    trained = set().union(*(groups_trained(one) for one in before))
    images = None if golden is None else golden.chosen["image"].to_list()
    snapshot = frame_snapshot(frame_labels(labels), images, trained)
    fresh = snapshot.frame
    for one in before:
        fresh = not_in(fresh, one)
    return snapshot, fresh


def new_labels(labels: LabelStore, snapshot: Snapshot, *since: str | None) -> pl.DataFrame:
    """The rows of ``snapshot`` that are in none of the snapshots with the hashes ``since``. A changed label is new."""
    rows = snapshot.frame
    for digest in since:
        before = labels.read_snapshot(digest)
        if before is not None:
            rows = rows.join(before.frame.select("image", "label"), on=["image", "label"], how="anti")
    return rows


def not_due(run: Retraining, decided: list[RetrainResult], fresh: int, changed: Collection[str] = ()) -> str | None:
    """Why the retraining has to wait, or None: too few new labels, or the last retraining was too recent. A manual
    retraining has no cooldown. If classes were ``changed``, the champion has to follow: that needs no new labels."""
    if run.request.force:
        return None
    rules = run.settings.retrain
    if fresh < rules.min_labels and not changed:
        return (
            f"{fresh} labels since the last retraining, {rules.min_labels} are needed (retrain.min_labels): label what "
            "`steelflow labels queue` shows, or train anyway with `steelflow retrain --force`"
        )
    last = last_run(decided)
    if run.request.trigger == "manual" or last is None:
        return None
    cooldown = dt.timedelta(hours=rules.cooldown_hours)
    rest = last + cooldown - run.started
    if rest <= dt.timedelta(0) or rest > 2 * cooldown:  # so far in the future: a clock was wrong
        return None
    return (
        f"the last retraining was at {last:%Y-%m-%d %H:%M} UTC, less than {rules.cooldown_hours:g} hours ago "
        f"(retrain.cooldown_hours); wait another {rest.total_seconds() / 3600:.1f} hours, or start it by hand with "
        "`steelflow retrain`"
    )
