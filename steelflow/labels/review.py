"""The review queue: the images that a person should label first, because their labels help the model most.

- *novel*: unlike the training images, as the report says. They are clustered, and the queue takes images from the
clusters
  in turn. A new type of defect forms a cluster; its most typical image comes first.
- *uncertain*: the model hardly prefers one class. Every image is chosen far from those chosen before.
- *diverse*: the rest of production, spread as widely as possible, because a model can be wrong and confident.

The choice is farthest-first (greedy k-centre) in embedding space: Sener & Savarese (2018), "Active learning for
convolutional neural networks: a core-set approach". Only rows of the newest model are used: embeddings of two models
are not comparable. While the nights are read, at most ``POOL`` candidates of each kind are kept.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from steelflow.errors import ReportError
from steelflow.labels.cluster import density_clusters, distances
from steelflow.labels.newest import newest_model
from steelflow.labels.showable import Showable
from steelflow.report.reader import ReportReader

POOL = 2000
NIGHTS = 7
_REFERENCE = ["object_key", "member", "ordinal"]
_COLUMNS = pl.Schema(
    {
        "object_key": pl.String(),
        "member": pl.String(),
        "ordinal": pl.Int32(),
        "line": pl.String(),
        "date": pl.Date(),
        "coil": pl.String(),
        "position": pl.Float64(),
        "label": pl.String(),
        **dict.fromkeys(("confidence", "margin", "entropy", "novelty", "energy"), pl.Float32()),
    }
)
_QUEUE = pl.Schema({**_COLUMNS, "reason": pl.String(), "cluster": pl.Int32(), "cluster_size": pl.Int32()})

_OPTIONAL = {"novel": pl.Boolean(), "novelty": pl.Float32(), "energy": pl.Float32()}  # reports of version 1 lack them
_RANKS = {"novel": "novelty", "uncertain": "uncertainty", "diverse": "draw"}
_CHUNK = 20_000  # rows
_CHOICE = 10  # candidates per place of the uncertain images
_NEARER = np.float32(0.8)  # reach of an image, as a share of the distance to the nearest ordinary image
_NEIGHBOURS = 4  # images nearby that make an image part of a cluster

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]


def queue(
    reader: ReportReader,
    labelled: pl.DataFrame,
    n: int = 50,
    dates: Collection[dt.date] | None = None,
    lines: Collection[str] | None = None,
    showable: Showable | None = None,
) -> pl.DataFrame:
    """At most ``n`` images, the most informative first: half of them novel, a sixth diverse, the rest uncertain. Places
    that one kind cannot fill go to the others.

    Args:
        labelled: ``object_key``, ``member`` and ``ordinal`` of the images to leave out, as from
            ``LabelStore.references``.
        dates: the nights to choose from; by default the latest ``NIGHTS`` with reports.
        showable: looks up whether an image can be shown; by default every image is proposed.

    Returns:
        Reference, place, label and scores from the report, and ``reason`` (novel, uncertain or diverse). Novel images
        also have ``cluster`` (1 is the largest; null outside all clusters) and ``cluster_size``, its number of images.

    Raises:
        ReportError: there are no reports of these nights and lines.
    """
    nights = sorted(reader.nights() if dates is None else set(dates), reverse=True)
    pools = _candidates(reader, labelled, nights if dates is not None else nights[:NIGHTS], lines)
    if not any(pool.height for pool in pools.values()) or n < 1:
        return pl.DataFrame(schema=_QUEUE)
    found = pl.concat(pools.values()).unique(_REFERENCE, keep="first", maintain_order=True)
    if showable is None:
        return _chosen(found, n)
    return showable.choose(found, lambda pool: _chosen(pool, n))


def waiting(reader: ReportReader, labelled: pl.DataFrame) -> int:
    """How many novel images of the latest ``NIGHTS`` nights, of the newest model, have no label.

    Args:
        labelled: as for ``queue``.

    Raises:
        ReportError: there are no reports.
    """
    nights = sorted(reader.nights(), reverse=True)[:NIGHTS]
    if not nights:
        raise ReportError("there are no reports to choose images from; run `steelflow nightly`")
    known = labelled.select(_REFERENCE).cast({"ordinal": pl.Int32}).lazy()
    digest = newest_model(reader.store, nights[0], _models(reader, nights[0]))
    count = 0
    for night in nights:
        for rows in reader.parts([night]):
            if "novel" in rows.collect_schema().names():
                novel = rows.filter(pl.col("novel"), pl.col("model_digest") == digest).select(_REFERENCE)
                unknown = novel.join(known, on=_REFERENCE, how="anti", nulls_equal=True)
                count += unknown.collect(engine="streaming").height
    return count


def _models(reader: ReportReader, night: dt.date) -> pl.LazyFrame:
    """The models of a night, each with the time of its last image; as rows of the report are."""
    latest = pl.col("inferred_at").max()
    return pl.concat(part.group_by("model_digest").agg(latest).collect() for part in reader.parts([night])).lazy()


def _chosen(found: pl.DataFrame, n: int) -> pl.DataFrame:
    """The queue of at most ``n`` images from these candidates."""
    if found.is_empty():
        return pl.DataFrame(schema=_QUEUE)
    space = _Space(found)
    is_novel = found["novel"].to_numpy()
    novel = np.flatnonzero(is_novel)[:POOL]
    clusters = space.clusters(novel)
    uncertain = np.flatnonzero(~is_novel)
    uncertain = uncertain[np.argsort(-found["uncertainty"].to_numpy()[uncertain], kind="stable")]
    places = _places(n, len(novel), len(uncertain))
    taken: list[int] = []
    taken += _by_turns(space, novel, clusters, places["novel"])
    pool = uncertain[: max(_CHOICE * places["uncertain"], _CHOICE)]
    taken += space.spread(pool, places["uncertain"], taken, found["uncertainty"].to_numpy())
    rest = np.setdiff1d(uncertain, taken)
    taken += space.spread(rest, places["diverse"], taken)
    reasons = [name for name, count in places.items() for _ in range(count)]
    order = [(i + 0.5) / count for count in places.values() for i in range(count)]
    sizes = np.bincount(clusters[clusters >= 0]) if len(clusters) else np.empty(0, int)
    of = dict(zip(novel.tolist(), clusters.tolist(), strict=True))
    own = [of.get(i, -1) if reason == "novel" else -1 for i, reason in zip(taken, reasons, strict=True)]
    chosen = found[taken].with_columns(
        pl.Series("reason", reasons, pl.String),
        pl.Series("cluster", [c + 1 if c >= 0 else None for c in own], pl.Int32),
        pl.Series("cluster_size", [int(sizes[c]) if c >= 0 else None for c in own], pl.Int32),
        pl.Series("order", order),
    )
    return chosen.sort("order", maintain_order=True).select(_QUEUE.names()).cast(_QUEUE)


def _candidates(
    reader: ReportReader, labelled: pl.DataFrame, nights: Sequence[dt.date], lines: Collection[str] | None
) -> dict[str, pl.DataFrame]:
    """The best rows of each kind, by ``_RANKS``. Rows of equal rank are ordered by their reference."""
    pools: dict[str, pl.DataFrame] = {}
    digest: str | None = None
    known = labelled.select(_REFERENCE).cast({"ordinal": pl.Int32}).lazy()
    for night in nights:
        try:
            rows = reader.images([night], lines)
        except ReportError:
            continue
        digest = digest or newest_model(reader.store, night, rows)
        for chunk in _chunks(rows, known, digest):
            for kind, rank in _RANKS.items():
                new = chunk.filter("novel") if kind == "novel" else chunk
                pool = pl.concat([pools[kind], new]) if kind in pools else new
                order = [rank, *_REFERENCE]
                pools[kind] = pool.sort(order, descending=[True, False, False, False], nulls_last=True).head(POOL)
    if digest is None:
        raise ReportError("these nights and lines have no reports to choose images from; run `steelflow nightly`")
    return pools


def _chunks(rows: pl.LazyFrame, known: pl.LazyFrame, digest: str) -> Iterator[pl.DataFrame]:
    names = rows.collect_schema().names()
    rows = rows.with_columns(pl.lit(None, kind).alias(name) for name, kind in _OPTIONAL.items() if name not in names)
    classes = max(2, sum(name.startswith("p_") for name in names))
    asked = (
        rows.filter(pl.col("status") == "ok", pl.col("model_digest") == digest)
        .select(*_COLUMNS, "novel", "embedding")
        .join(known, on=_REFERENCE, how="anti", nulls_equal=True)
        .with_columns(
            pl.col("novel").fill_null(False),
            uncertainty=(1 - pl.col("margin") + pl.col("entropy") / float(np.log(classes))) / 2,
            draw=pl.struct(_REFERENCE).hash(0),
        )
    )
    yield from asked.collect_batches(chunk_size=_CHUNK)


def _places(n: int, novel: int, others: int) -> dict[str, int]:
    """The number of images of each kind."""
    of_novel = min(novel, max(n - n // 2, n - others))
    left = min(n - of_novel, others)
    diverse = min(n // 6, left)
    return {"novel": of_novel, "uncertain": left - diverse, "diverse": diverse}


def _by_turns(space: _Space, novel: Ints, clusters: Ints, count: int) -> list[int]:
    """One image from each cluster in turn, the largest cluster first. Images outside all clusters are the last
    group."""
    groups = [space.typical_first(novel[clusters == c]) for c in range(clusters.max(initial=-1) + 1)]
    groups.append(novel[clusters == -1])
    ranked = [space.spread(group, count, []) for group in groups]
    turns = (group[turn] for turn in range(count) for group in ranked if turn < len(group))
    return [image for image, _ in zip(turns, range(count), strict=False)]


class _Space:
    """Embeddings (N, E) of the candidates. The unit of each dimension is its standard deviation within the classes of
    the images that are not novel."""

    def __init__(self, found: pl.DataFrame) -> None:
        raw = np.array(found["embedding"].to_list(), np.float32)
        self._ordinary = ordinary = ~found["novel"].to_numpy()
        labels = found["label"].to_numpy()
        inner = raw.copy()
        for label in np.unique(labels[ordinary]):
            of_class = ordinary & (labels == label)
            inner[of_class] -= raw[of_class].mean(0)
        spread = inner[ordinary].std(0) if ordinary.any() else raw.std(0)
        self.points: Floats = np.asarray(raw / np.where(spread > 0, spread, 1), np.float32)

    def clusters(self, images: Ints) -> Ints:
        """The cluster of each image: 0 is the largest, −1 is none. Images of one new type are clearly nearer to each
        other than to ordinary images, even if they differ a lot; outliers of a known class are not."""
        if not self._ordinary.any():
            return np.full(len(images), -1, np.intp)
        points = self.points[images]
        known = distances(points, self.points[self._ordinary]).min(1)
        return density_clusters(points, _NEARER * known, _NEIGHBOURS)

    def typical_first(self, images: Ints) -> Ints:
        """The images, with the one nearest to their mean in front."""
        if not len(images):
            return images
        points = self.points[images]
        first = int(np.argmin(((points - points.mean(0)) ** 2).sum(1)))
        return np.concatenate([images[first : first + 1], np.delete(images, first)])

    def spread(self, images: Ints, count: int, taken: Sequence[int], weights: Floats | None = None) -> list[int]:
        """``count`` of ``images``. Each step takes the image farthest from all taken ones, by distance times weight. If
        nothing is taken yet, it takes the first image."""
        points = self.points[images]
        weight = np.ones(len(images)) if weights is None else weights[images].astype(float)
        nearest = np.full(len(images), np.inf)
        for other in taken:
            nearest = np.minimum(nearest, ((points - self.points[other]) ** 2).sum(1))
        chosen: list[int] = []
        open_ = np.ones(len(images), bool)
        for _ in range(min(count, len(images))):
            best = int(np.argmax(np.where(open_, np.sqrt(nearest) * weight, -1))) if chosen or taken else 0
            chosen.append(int(images[best]))
            nearest = np.minimum(nearest, ((points - points[best]) ** 2).sum(1))
            open_[best] = False
        return chosen
