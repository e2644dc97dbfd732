"""The content of a label store, in figures."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import polars as pl

from steelflow.labels.second import agreement, pairs
from steelflow.labels.snapshot import Snapshot, part_of
from steelflow.labels.store import LabelStore


def stats(labels: LabelStore, since: Snapshot | None = None) -> dict[str, Any]:
    """Labelled images by class, part (training, evaluation, golden), person and source; labelled regions by class; all
    labels ever given, by day (UTC); conflicts; how far second readers agree; the golden set; and the images that are
    new or relabelled ``since`` a snapshot.

    Raises:
        LabelError: a batch or the golden set is damaged.
    """
    history, current, golden = labels.history(), labels.current(), labels.golden()
    held_out = set() if golden is None else set(golden.chosen["image"])
    parts = ["golden" if image in held_out else part_of(image) for image in current["image"]]
    current = current.with_columns(pl.Series("part", parts, pl.String))
    conflicts = labels.conflicts()
    result: dict[str, Any] = {
        "images": current.height,
        "said": history.height,
        "withdrawn": labels.current(withdrawn=True)["label"].null_count(),
        "regions": _counts(labels.regions(), "label"),
        "classes": {
            name: {"training": 0, "evaluation": 0, "golden": 0} | _counts(of_class, "part")
            for (name,), of_class in sorted(current.group_by("label"))
        },
        "parts": {"training": 0, "evaluation": 0, "golden": 0} | _counts(current, "part"),
        "who": _counts(current, "who"),
        "source": _counts(current, "source"),
        "days": _counts(history.with_columns(day=pl.col("at").dt.date().cast(pl.String)), "day"),
        "conflicts": conflicts["image"].n_unique(),
        "disputed": conflicts.filter("disputed")["image"].n_unique(),
        "second_reader": asdict(agreement(pairs(history, labels.class_names()))),
        "retired": sorted(labels.class_names().retired),
        "golden": None if golden is None else _pin(golden.pin.number, golden.hash, golden.frame.height),
    }
    if since is not None:
        new = current.filter(pl.col("part") != "golden").join(since.frame, on=["image", "label"], how="anti")
        result["since"] = {"snapshot": since.hash, "images": new.height, "classes": _counts(new, "label")}
    return result


def _counts(rows: pl.DataFrame, by: str) -> dict[str, int]:
    return dict(rows.group_by(by).len().sort(by).iter_rows())


def _pin(number: int, digest: str, images: int) -> dict[str, Any]:
    return {"pin": number, "hash": digest, "images": images}
