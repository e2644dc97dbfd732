"""Model versions: what is kept with them, how two of them differ, and where their training images came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from dashboard.data import sources
from steelflow.registry import Version
from steelflow.registry.version import METRICS

FIGURES = {
    "golden_accuracy": "accuracy, golden set",
    "recent_accuracy": "accuracy, recent labels",
    "accuracy": "accuracy, held out",
    "macro_f1": "macro F1, held out",
    "ece": "calibration error (ECE)",
    "auc": "AUC of good and defective frames, held out",
    "recall": "defects found, held out",
    "false_alarms": "false alarms, held out",
    "speed": "speed, times the champion before",
}
"""The figures of a version's manifest, in the order of the table, with their names."""

_PARAMETERS = ("model", "recipe", "start", "split", "seed", "pretrained", "phases", "device", "precision", "versions")
_PER_CLASS = ("support", "precision", "recall", "f1")
_UNKNOWN = "not from the archive"


@st.cache_data(max_entries=16, show_spinner=False)
def file_of(version: str, file: str) -> bytes:
    """A file of a version. It never changes."""
    return sources.registry().read(version, file)


def metrics_of(version: str) -> dict[str, Any]:
    """The record of the training; empty if the version has none."""
    try:
        found = json.loads(file_of(version, METRICS))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def figures(old: Version, new: Version) -> pl.DataFrame:
    """``figure``, ``old``, ``new``, ``change``: the figures that both or one of them have."""
    rows = []
    for name, words in FIGURES.items():
        before, after = _number(old.metrics.get(name)), _number(new.metrics.get(name))
        if before is not None or after is not None:
            change = None if before is None or after is None else after - before
            rows.append((words, before, after, change))
    schema = {"figure": pl.String, "old": pl.Float64, "new": pl.Float64, "change": pl.Float64}
    return pl.DataFrame(rows, schema, orient="row")


def by_class(old: Mapping[str, Any], new: Mapping[str, Any]) -> pl.DataFrame:
    """``class``; and ``support``, ``precision``, ``recall`` and ``f1`` of both on their held-out images, with ``_old``
    and ``_new`` behind; and ``change`` of the recall. Null for a class that one does not know. ``old`` and ``new`` are
    records of a training."""
    sides = [of_classes(record) for record in (old, new)]
    names = sorted({*sides[0], *sides[1]})
    rows = {"class": names} | {
        f"{figure}_{word}": [_number(side.get(name, {}).get(figure)) for name in names]
        for word, side in zip(("old", "new"), sides, strict=True)
        for figure in _PER_CLASS
    }
    schema = {name: pl.String if name == "class" else pl.Float64 for name in rows}
    return pl.DataFrame(rows, schema).with_columns(change=pl.col("recall_new") - pl.col("recall_old"))


def of_classes(record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The figures by class of a training's record; of a model of views, the share of the defects that it found."""
    held_out = record.get("held_out") or {}
    found = held_out.get("recall_by_class") or {}
    return held_out.get("per_class") or {name: {"recall": share} for name, share in found.items()}


def parameters(old: Mapping[str, Any], new: Mapping[str, Any]) -> pl.DataFrame:
    """``parameter``, ``old``, ``new``: the parameters of the trainings that differ, as text. What only one of the two
    has recorded does not differ: see ``of_one``."""
    both = [name for name in _PARAMETERS if name in old and name in new]
    sides = [_flat({name: record[name] for name in both}) for record in (old, new)]
    names = [name for name in dict.fromkeys([*sides[0], *sides[1]]) if sides[0].get(name) != sides[1].get(name)]
    rows = [(name, sides[0].get(name), sides[1].get(name)) for name in names]
    return pl.DataFrame(rows, {"parameter": pl.String, "old": pl.String, "new": pl.String}, orient="row")


def of_one(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What only one of two trainings has recorded."""
    return [name for name in _PARAMETERS if (name in old) != (name in new)]


def data(old: pl.DataFrame | None, new: pl.DataFrame | None) -> pl.DataFrame:
    """``class``, ``old``, ``new``, ``added``, ``removed``, ``relabelled``: the labelled images of two snapshots by
    class. ``added`` images are in the new one only, ``removed`` in the old one only, ``relabelled`` have this class now
    and had another. A snapshot that is not known is empty."""
    empty = pl.DataFrame(schema={"image": pl.String, "label": pl.String})
    before, after = (empty if frame is None else frame.select("image", "label").unique() for frame in (old, new))
    fresh = after.join(before.select("image").unique(), on="image", how="anti")
    gone = before.join(after.select("image").unique(), on="image", how="anti")
    kept = after.join(before.select("image").unique(), on="image", how="semi")
    changed = kept.join(before, on=["image", "label"], how="anti")
    counted = {"old": before, "new": after, "added": fresh, "removed": gone, "relabelled": changed}
    found = pl.DataFrame({"class": sorted({*before["label"], *after["label"]})}, {"class": pl.String})
    for name, rows in counted.items():
        counts = rows.group_by(pl.col("label").alias("class")).agg(pl.len().cast(pl.Int64).alias(name))
        found = found.join(counts, on="class", how="left")
    return found.fill_null(0).sort("class")


def origin(frame: pl.DataFrame) -> pl.DataFrame:
    """``night``, ``line``, ``source``, ``who``, ``images``, ``training``: where the labelled images of a snapshot came
    from, latest night first. ``training`` counts those that were trained on."""
    rows = frame.with_columns(
        night=pl.col("date").dt.to_string("iso").fill_null(_UNKNOWN), line=pl.col("line").fill_null("")
    )
    counted = rows.group_by("night", "line", "source", "who").agg(
        images=pl.col("image").n_unique(), training=pl.col("image").filter(pl.col("part") == "training").n_unique()
    )
    known = pl.col("night") != _UNKNOWN
    return counted.sort(known, "night", "line", "source", "who", descending=[True, True, False, False, False])


def _flat(record: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """{"recipe": {"epochs": 3}} to {"recipe.epochs": "3"}."""
    found: dict[str, str] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[before + name] = value if isinstance(value, str) else json.dumps(value)
    return found


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, float | int) and not isinstance(value, bool) else None
