"""The review queue of regions: the defects of a model that knows good strip, one of every kind first.

Regions that look alike are a group, and the queue takes one from every group in turn, so that a few labels show every
kind of defect, and every kind of false alarm. The group with the strongest region comes first. In a group, the
strongest region comes first, and then those that differ most from what was taken (farthest-first, as in ``review``).

What a region looks like: its size and shape, and the embedding of its image, which is that of the image's worst view.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import polars as pl

from steelflow.errors import ReportError
from steelflow.labels.cluster import density_clusters, distances
from steelflow.labels.newest import newest_model
from steelflow.labels.showable import Showable
from steelflow.report.reader import ReportReader
from steelflow.report.regions import RegionReader
from steelflow.store.base import Store

POOL = 2000
NIGHTS = 7
_OF_AN_IMAGE = 5  # regions: a frame that is all wrong would fill the queue
_REFERENCE = ["object_key", "member", "ordinal"]
_PLACE = ["line", "date", "coil", "camera", "side", "along", "across_mm"]
_BOX = ["x", "y", "width", "height", "area", "views"]
_NEIGHBOURS = 3  # regions nearby that make a region part of a group
_REACH = 1.5  # times the usual distance to that many neighbours
_SHAPE = 0.5  # weight of size and shape

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]


def region_queue(
    store: Store,
    labelled: pl.DataFrame,
    n: int = 50,
    dates: Collection[dt.date] | None = None,
    lines: Collection[str] | None = None,
    showable: Showable | None = None,
) -> pl.DataFrame:
    """At most ``n`` regions, in the order in which a person should see them; none if the newest model finds none.

    Args:
        store: where the reports are.
        labelled: ``object_key``, ``member`` and ``ordinal`` of images to leave out, as from ``LabelStore.references``.
        dates: the nights to choose from; by default the latest ``NIGHTS`` with reports.
        showable: looks up whether an image can be shown; by default every image is proposed.

    Returns:
        Reference of the image, number, label, score, place and box of each region; ``group`` (1 is the one with the
        strongest region; null outside all groups) and ``group_size``.

    Raises:
        ReportError: a report names regions that are not there.
    """
    pool = _pool(store, labelled, dates, lines)
    if showable is None:
        return _chosen(pool, n)
    return showable.choose(pool, lambda rest: _chosen(rest, n))


def _chosen(pool: pl.DataFrame, n: int) -> pl.DataFrame:
    """The queue of at most ``n`` regions from these candidates."""
    if pool.is_empty() or n < 1:
        return pl.DataFrame(schema=pool.drop("embedding").schema | {"group": pl.Int32(), "group_size": pl.Int32()})
    points = _points(pool)
    groups = _groups(points, pool["score"].to_numpy())
    order = _by_turns(points, groups, n)
    sizes = np.bincount(groups[groups >= 0], minlength=1)
    own = groups[order]
    return pool.drop("embedding")[order].with_columns(
        pl.Series("group", [int(g) + 1 if g >= 0 else None for g in own], pl.Int32),
        pl.Series("group_size", [int(sizes[g]) if g >= 0 else None for g in own], pl.Int32),
    )


def _pool(
    store: Store, labelled: pl.DataFrame, dates: Collection[dt.date] | None, lines: Collection[str] | None
) -> pl.DataFrame:
    """The strongest regions of the newest model, at most ``POOL``, with the embeddings of their images."""
    reader = ReportReader(store)
    nights = sorted(reader.nights() if dates is None else set(dates), reverse=True)
    nights = nights if dates is not None else nights[:NIGHTS]
    known = labelled.select(_REFERENCE).cast({"ordinal": pl.Int32}).lazy()
    parts: list[pl.DataFrame] = []
    digest: str | None = None
    for night in nights:
        try:
            images = reader.images([night], lines)
        except ReportError:  # a night without reports
            continue
        rows = RegionReader(store).regions([night], lines)
        digest = digest or newest_model(store, night, images)
        found = (
            rows.filter(pl.col("model_digest") == digest, pl.col("region") < _OF_AN_IMAGE)
            .join(known, on=_REFERENCE, how="anti", nulls_equal=True)
            .select(*_REFERENCE, "region", "label", "score", *_PLACE, *_BOX)
            .sort("score", *_REFERENCE, "region", descending=[True, False, False, False, False])
            .head(POOL)
            .join(images.select(*_REFERENCE, "embedding"), on=_REFERENCE, how="inner", nulls_equal=True)
        )
        parts.append(found.collect(engine="streaming"))
    if not parts:
        raise ReportError("these nights and lines have no reports to choose regions from; run `steelflow nightly`")
    order = ["score", *_REFERENCE, "region"]
    return pl.concat(parts).sort(order, descending=[True, *([False] * 4)]).head(POOL)


def _points(pool: pl.DataFrame) -> Floats:
    """What each region looks like, (N, E + 3): its image's embedding, and the logarithms of its size, shape and
    filling. Each part has a deviation of about one."""
    embedding = np.array(pool["embedding"].to_list(), np.float32)
    width, height, area = (pool[name].to_numpy().astype(np.float32) for name in ("width", "height", "area"))
    shape = np.log(np.stack([width * height, width / height, area / (width * height)], 1))
    parts = [(embedding, 1.0), (shape, _SHAPE)]
    return np.concatenate([weight * _unit(part) for part, weight in parts], 1).astype(np.float32)


def _unit(points: Floats) -> Floats:
    """Centred, with a mean square length of one."""
    centred = points - points.mean(0)
    length = float(np.sqrt((centred**2).sum(1).mean()))
    return np.asarray(centred / length if length > 0 else centred, np.float32)


def _groups(points: Floats, scores: Floats) -> Ints:
    """The group of each region, in the order of their strongest regions; −1 for none."""
    if len(points) <= _NEIGHBOURS:
        return np.full(len(points), -1, np.intp)
    apart = np.partition(distances(points, points), _NEIGHBOURS, axis=1)[:, _NEIGHBOURS]
    reach = np.full(len(points), _REACH * np.median(apart), np.float32)
    found = density_clusters(points, reach, _NEIGHBOURS)
    count = int(found.max(initial=-1)) + 1
    strongest = np.array([scores[found == group].max() for group in range(count)])
    rank = np.argsort(np.argsort(-strongest, kind="stable"))
    return np.where(found >= 0, rank[found] if count else found, -1).astype(np.intp)


def _by_turns(points: Floats, groups: Ints, n: int) -> list[int]:
    """``n`` regions: one of every group in turn, and one of those outside all groups."""
    members = [np.flatnonzero(groups == group) for group in range(groups.max(initial=-1) + 1)]
    ranked = [_spread(points, one, n) for one in members] + [np.flatnonzero(groups == -1)[:n].tolist()]
    turns = (one[turn] for turn in range(n) for one in ranked if turn < len(one))
    return [region for region, _ in zip(turns, range(n), strict=False)]


def _spread(points: Floats, members: Ints, count: int) -> list[int]:
    """``count`` of ``members``, which are sorted by strength: the first one, then the farthest from those before."""
    nearest = np.full(len(members), np.inf)
    chosen = [0]
    while len(chosen) < min(count, len(members)):
        nearest = np.minimum(nearest, ((points[members] - points[members[chosen[-1]]]) ** 2).sum(1))
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    return [int(members[i]) for i in chosen]
