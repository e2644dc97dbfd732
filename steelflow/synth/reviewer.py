"""A person who knows the truth of a frame plant and marks the defects of the frames that a model points to."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from steelflow.archive.fetch import ImageRef, fetch_images
from steelflow.config import Settings
from steelflow.records import Failure
from steelflow.store import open_store
from steelflow.synth.folders import write_file
from steelflow.synth.score import matched

GOOD = "good"
_IMAGE = ["object_key", "member", "ordinal"]
_HEADER = "path", "label", "x", "y", "width", "height", "group"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a review led to.

    Attributes:
        manifest: a table of pictures and boxes that ``train`` reads; the pictures are beside it.
        frames: the frames that the person looked at; ``good`` of them have no defect.
        confirmed, rejected: regions of the model that are a defect, or good strip.
        drawn: defects that the model had missed in these frames.
    """

    manifest: Path
    frames: int
    good: int
    confirmed: int
    rejected: int
    drawn: int


def review(
    settings: Settings,
    regions: pl.DataFrame,
    truth: pl.DataFrame,
    frames: pl.DataFrame,
    out: Path,
    *,
    pointed: int = 200,
    others: int = 100,
    seed: int = 0,
) -> Reviewed:
    """Look at frames and write what is in them.

    Args:
        regions: of the model, as ``RegionReader.regions`` gives them.
        truth, frames: rows of ``synth.frame_truth.DEFECTS`` and ``FRAMES``, of the nights to review.
        out: an empty folder, for the manifest and the pictures.
        pointed: at most this many regions are looked at, the highest scores first.
        others: frames without a region that are looked at, too; most are good.
    """
    asked = regions.sort("score", *_IMAGE, "region", descending=[True, False, False, False, False]).head(pointed)
    chosen = frames.join(asked.select(_IMAGE).unique(), on=_IMAGE, how="semi", nulls_equal=True)
    rest = frames.join(regions, on=_IMAGE, how="anti", nulls_equal=True)
    seen = pl.concat([chosen, rest.sample(min(others, rest.height), seed=seed)])
    marks = truth.join(seen, on=_IMAGE, how="semi", nulls_equal=True)
    hits = matched(asked, marks)
    confirmed = hits["region_row"].n_unique()
    rows: list[tuple[object, ...]] = []
    for row, data in _pictures(settings, seen):
        path = f"{row['line']}-{row['date']}-{row['coil']}-{row['camera']}-{row['side']}-{row['frame']:06d}.jpg"
        write_file(out / "images" / path, data)
        group = f"{row['line']}-{row['date']}-{row['coil']}"
        own = marks.filter(*(pl.col(name).eq_missing(row[name]) for name in _IMAGE))
        boxes = own.select("label", "x", "y", "width", "height").rows()
        rows += [(f"images/{path}", *box, group) for box in boxes or [(GOOD, None, None, None, None)]]
    manifest = out / "labels.csv"
    with manifest.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(_HEADER)
        table.writerows(rows)
    return Reviewed(
        manifest=manifest,
        frames=seen.height,
        good=seen.height - marks.select(_IMAGE).unique().height,
        confirmed=confirmed,
        rejected=asked.height - confirmed,
        drawn=marks.height - hits["row"].n_unique(),
    )


def _pictures(settings: Settings, seen: pl.DataFrame) -> Iterable[tuple[dict[str, object], bytes]]:
    """The frames that can be fetched, with their encoded bytes."""
    rows = {tuple(row[name] for name in _IMAGE): row for row in seen.iter_rows(named=True)}
    store = open_store(settings.archive.uri, settings.store)
    for place, data in fetch_images(store, [ImageRef(*key) for key in rows], settings.limits):
        if not isinstance(data, Failure):
            yield rows[place.key, place.member, place.ordinal], data
