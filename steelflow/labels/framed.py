"""Labels of frames and of their regions as one table, held out by coil.

Neighbouring frames of a coil overlap and look alike. So a coil is held out as a whole: no model is trained on a frame
of a coil that is in the golden set, and of the later coils one in five is held out.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection

import polars as pl

from steelflow.labels.boxes import BOX
from steelflow.labels.snapshot import Snapshot, content_hash, is_held_out
from steelflow.labels.store import LabelStore

HELD_OUT_COILS = "one coil in five, by the SHA-256 of its line, date and name, for good"
"""The rule for coils that come after the first retraining, in words."""

_COIL = ("line", "date", "coil")
_SAID = ["image", "label", *BOX]


def frame_labels(labels: LabelStore, at: dt.datetime | None = None) -> pl.DataFrame:
    """All labels that count (until ``at``), of whole images and of regions.

    Returns:
        The columns of a batch (the box is null for a whole image), and ``group``: line, date and coil, or the image
        itself if its coil is not known.
    """
    rows = pl.concat([labels.current(at=at), labels.regions(at=at)], how="diagonal").sort("image", *BOX)
    coil = pl.concat_str([pl.col(name).cast(pl.String).fill_null("") for name in _COIL], separator="/")
    return rows.with_columns(group=pl.when(pl.col("coil").is_null()).then(pl.col("image")).otherwise(coil))


def frame_snapshot(rows: pl.DataFrame, golden: Collection[str] | None, trained: Collection[str] = ()) -> Snapshot:
    """The labels for training and evaluation, without the golden images, named by a hash.

    Args:
        rows: from ``frame_labels``.
        golden: the images of the golden set; None if there is none yet, and then nothing else is held out.
        trained: groups that an earlier model was trained on; they stay in training.
    """
    images = set(golden or ())
    in_golden = set(rows.filter(pl.col("image").is_in(list(images)))["group"])
    known = set(trained) - in_golden

    def part(group: str) -> str:
        late = golden is not None and group not in known
        held_out = group in in_golden or (late and is_held_out(hashlib.sha256(group.encode()).digest()))
        return "evaluation" if held_out else "training"

    frame = rows.filter(~pl.col("image").is_in(list(images)))
    parts = pl.Series("part", [part(group) for group in frame["group"]], pl.String)
    frame = frame.with_columns(parts)
    return Snapshot(content_hash(frame), frame)


def groups_trained(snapshot: Snapshot | None) -> set[str]:
    """The groups that a model of this snapshot was trained on; none for a snapshot of whole images."""
    if snapshot is None or "group" not in snapshot.frame.columns:
        return set()
    return set(snapshot.frame.filter(pl.col("part") == "training")["group"])


def not_in(rows: pl.DataFrame, before: Snapshot | None) -> pl.DataFrame:
    """The rows that ``before`` does not have. A changed label is new, and so is another box."""
    if before is None:
        return rows
    on = [name for name in _SAID if name in before.frame.columns]
    return rows.join(before.frame.select(on), on=on, how="anti", nulls_equal=True, maintain_order="left")
