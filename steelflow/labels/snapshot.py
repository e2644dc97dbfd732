"""The labels of one moment, named by a hash: the training data of a model can be read again."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from steelflow.errors import LabelError, ObjectNotFound
from steelflow.labels.boxes import BOX
from steelflow.store.base import Store

Part = Literal["training", "evaluation"]

_ONE_IN = 5
HELD_OUT_RULE = "one image in five, by its SHA-256, for good"
"""``is_held_out`` in words, for the record of a training."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """``frame`` has one row per image: the columns of a batch, and ``part``. ``hash`` covers images and labels."""

    hash: str
    frame: pl.DataFrame

    def only(self, part: Part) -> Snapshot:
        """The images of one part."""
        frame = self.frame.filter(pl.col("part") == part)
        return Snapshot(content_hash(frame), frame)


def content_hash(frame: pl.DataFrame) -> str:
    """SHA-256 in hex over the sorted lines ``<image> <label>``: the same labels have the same hash. For labels of
    frames (see ``framed``), box, group and part of each label follow in its line."""
    said = ["image", "label", *((*BOX, "group", "part") if "group" in frame.columns else ())]
    whole = hashlib.sha256()
    for line in sorted(" ".join(map(str, row)) for row in frame.select(said).iter_rows()):
        whole.update(f"{line}\n".encode())
    return whole.hexdigest()


def is_held_out(digest: bytes) -> bool:
    """Whether no model is trained on the image with this SHA-256: one image in five.

    The bytes of the image alone decide, so an image never changes sides when others are added.
    """
    return int.from_bytes(digest) % _ONE_IN == 0


def part_of(image: str) -> Part:
    """The part of an image, by its SHA-256 in hex."""
    return "evaluation" if is_held_out(bytes.fromhex(image)) else "training"


def take(current: pl.DataFrame, without: Iterable[str] = ()) -> Snapshot:
    """The snapshot of the current labels, except for the images in ``without``."""
    frame = current.filter(~pl.col("image").is_in(list(without)), pl.col("label").is_not_null()).sort("image")
    parts = pl.Series("part", [part_of(image) for image in frame["image"]], pl.String)
    return Snapshot(content_hash(frame), frame.with_columns(parts))


def write_snapshot(store: Store, snapshot: Snapshot) -> str:
    """Store a snapshot below ``snapshots/``. Returns its key. Writing it again changes nothing."""
    key = _key(snapshot.hash)
    try:
        store.stat(key)
    except ObjectNotFound:
        put_frame(store, key, snapshot.frame)
    return key


def read_snapshot(store: Store, digest: str) -> Snapshot | None:
    """The snapshot with this hash, or None if there is none. Raises ``LabelError`` if it was changed."""
    frame = read_frame(store, _key(digest), digest)
    return None if frame is None else Snapshot(digest, frame)


def put_frame(store: Store, key: str, frame: pl.DataFrame) -> None:
    file = io.BytesIO()
    frame.write_parquet(file)
    store.put(key, file.getvalue())


def read_frame(store: Store, key: str, digest: str) -> pl.DataFrame | None:
    """Images and labels whose ``content_hash`` must be ``digest``; None if there is no such object."""
    where = f"{store.uri}/{key}"
    try:
        frame = pl.read_parquet(io.BytesIO(store.get(key)))
        found = content_hash(frame)
    except ObjectNotFound:
        return None
    except pl.exceptions.PolarsError as exc:
        raise LabelError(f"{where}: is damaged; restore it from a backup") from exc
    if found != digest:
        raise LabelError(f"{where}: was changed: its labels have the hash {found[:12]}; restore it from a backup")
    return frame


def _key(digest: str) -> str:
    return f"snapshots/{digest}.parquet"
