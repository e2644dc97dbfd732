"""A person who knows the truth of a frame plant and labels the frames that a model points to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from steelflow.archive.fetch import ImageRef, fetch_images
from steelflow.config import Settings
from steelflow.labels import Label, open_labels
from steelflow.records import Failure
from steelflow.store import open_store
from steelflow.synth.score import matched

GOOD = "good"
NAME = "a person"
_IMAGE = ["object_key", "member", "ordinal"]
_PLACE = [*_IMAGE, "line", "date", "coil"]
_BOX = ["x", "y", "width", "height"]


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a review led to.

    Attributes:
        labels: that were added to the label store, of regions and of whole frames.
        frames: the frames that the person looked at; ``good`` of them have no defect.
        confirmed, rejected: regions of the model that are a defect, or good strip.
        drawn: defects that the model had missed in these frames.
    """

    labels: int
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
    *,
    pointed: int = 200,
    others: int = 100,
    seed: int = 0,
) -> Reviewed:
    """Look at frames and label what is in them.

    A defect gets its box and class, and a region of the model that is none the verdict good. A frame without a defect
    is labelled good as a whole.

    Args:
        regions: of the model, as ``RegionReader.regions`` gives them.
        truth, frames: rows of ``synth.frame_truth.DEFECTS`` and ``FRAMES``, of the nights to review.
        pointed: at most this many regions are reviewed, the highest scores first.
        others: frames without a region that are reviewed, too; most are good.
    """
    asked = regions.sort("score", *_IMAGE, "region", descending=[True, False, False, False, False]).head(pointed)
    chosen = frames.join(asked.select(_IMAGE).unique(), on=_IMAGE, how="semi", nulls_equal=True)
    rest = frames.join(regions, on=_IMAGE, how="anti", nulls_equal=True)
    seen = pl.concat([chosen, rest.sample(min(others, rest.height), seed=seed)])
    marks = truth.join(seen, on=_IMAGE, how="semi", nulls_equal=True)
    hits = matched(asked, marks)
    real, hit = set(hits["region_row"]), set(hits["row"])
    said = pl.concat(
        [
            marks.select(*_IMAGE, "label", *_BOX).with_columns(
                verdict=pl.Series(
                    ["relabelled" if row in hit else "drawn" for row in range(marks.height)], dtype=pl.String
                )
            ),
            asked.select(*_IMAGE, pl.lit(GOOD).alias("label"), *_BOX, pl.lit("good").alias("verdict"))
            .filter(pl.Series([row not in real for row in range(asked.height)], dtype=pl.Boolean))
            .join(marks, on=_IMAGE, how="semi", nulls_equal=True),
        ],
        how="vertical_relaxed",
    )
    return Reviewed(
        labels=_label(settings, seen, said),
        frames=seen.height,
        good=seen.height - marks.select(_IMAGE).unique().height,
        confirmed=len(real),
        rejected=asked.height - len(real),
        drawn=marks.height - len(hit),
    )


def _label(settings: Settings, seen: pl.DataFrame, said: pl.DataFrame) -> int:
    """Add the labels of these frames to the label store; those without any become good. Returns their number."""
    labels = open_labels(settings)
    found: list[Label] = []
    for row, data in _pictures(settings, seen):
        place = {name: row[name] for name in _PLACE}
        image = labels.images.put(data)
        own = said.filter(*(pl.col(name).eq_missing(pl.lit(row[name])) for name in _IMAGE))
        found += [
            Label(image, one["label"], NAME, "review", verdict=one["verdict"], **place, **{b: one[b] for b in _BOX})
            for one in own.iter_rows(named=True)
        ] or [Label(image, GOOD, NAME, "review", verdict="good", **place)]
    return labels.add(found, new_classes={label.label for label in found if label.label}).added


def _pictures(settings: Settings, seen: pl.DataFrame) -> Iterable[tuple[dict[str, Any], bytes]]:
    """The frames that can be fetched, with their encoded bytes."""
    rows = {tuple(row[name] for name in _IMAGE): row for row in seen.iter_rows(named=True)}
    store = open_store(settings.archive.uri, settings.store)
    for place, data in fetch_images(store, [ImageRef(*key) for key in rows], settings.limits):
        if not isinstance(data, Failure):
            yield rows[place.key, place.member, place.ordinal], data
