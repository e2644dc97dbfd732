"""The review queue: what comes first, what is left out, and how a new defect shows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged import DIMS, night
from plants import NIGHT, SPEC, local_settings

from steelflow.config import ArchiveSettings, ReportSettings, StoreSettings
from steelflow.errors import ReportError
from steelflow.labels import queue, review
from steelflow.labels.cluster import density_clusters
from steelflow.night.run import inspect_night
from steelflow.report.reader import ReportReader
from steelflow.store.base import Store
from steelflow.store.local import LocalStore
from steelflow.synth import objects

NOBODY = pl.DataFrame(schema={"object_key": pl.String, "member": pl.String, "ordinal": pl.Int32})
REFERENCE = ["object_key", "member", "ordinal"]
NOW = dt.datetime(2026, 11, 18, 2, tzinfo=dt.UTC)


def sure(count: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    found = np.full((count, 3), 0.01, np.float32)
    found[np.arange(count), rng.integers(3, size=count)] = 0.98
    return found


def ordinary(count: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Three classes, each a cloud of its own."""
    probabilities = sure(count, rng)
    centres = np.eye(3, DIMS) * 10
    return probabilities, centres[probabilities.argmax(1)] + rng.normal(size=(count, DIMS))


def reader(root: Path) -> ReportReader:
    return ReportReader(LocalStore(root))


def numbers(rows: pl.DataFrame) -> list[int]:
    return [int(key.removesuffix(".jpg")[-6:]) for key in rows["object_key"]]


def test_the_uncertain_come_first_and_near_copies_do_not_fill_the_queue(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    probabilities, embedding = ordinary(400, rng)
    probabilities[:60] = [0.5, 0.49, 0.01]
    probabilities[:30] = [0.4, 0.35, 0.25]  # thirty pictures of one thing, the most uncertain of all
    embedding[:30] = np.eye(DIMS)[:2].sum(0) * 5 + rng.normal(size=(30, DIMS)) * 1e-3
    night(tmp_path, probabilities, embedding)
    rows = queue(reader(tmp_path), NOBODY, 24)
    assert rows.height == 24
    assert rows["reason"].value_counts(sort=True).rows() == [("uncertain", 20), ("diverse", 4)]
    uncertain = numbers(rows.filter(pl.col("reason") == "uncertain"))
    assert uncertain[0] < 30
    assert len([number for number in uncertain if number < 30]) < 6
    assert len([number for number in uncertain if number < 60]) > 15
    assert rows["cluster"].null_count() == 24


def test_a_new_defect_is_a_cluster_and_outliers_of_known_classes_are_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    probabilities, embedding = ordinary(500, rng)
    embedding[:40] = np.full(DIMS, -12) + rng.normal(size=(40, DIMS)) * 2  # a new type, though the model is sure of it
    embedding[40:52] = np.eye(DIMS)[7] * 30 + rng.normal(size=(12, DIMS))  # another one
    novel = np.zeros(500, bool)
    novel[:52] = True
    outliers = 52 + np.arange(25)
    novel[outliers] = True
    embedding[outliers] += rng.choice([-4, 4], size=(25, DIMS)) * (rng.random((25, DIMS)) < 0.5)
    night(tmp_path, probabilities, embedding, novel)
    rows = queue(reader(tmp_path), NOBODY, 40)
    found = rows.filter(pl.col("reason") == "novel")
    assert found.height == 20
    first, second = found["cluster"][:2]
    assert (first, second) == (1, 2)
    assert dict(found.select("cluster", "cluster_size").drop_nulls().iter_rows()) == {1: 40, 2: 12}
    assert {n < 40 for n in numbers(found.filter(pl.col("cluster") == 1))} == {True}
    assert {40 <= n < 52 for n in numbers(found.filter(pl.col("cluster") == 2))} == {True}
    assert set(numbers(found.filter(pl.col("cluster").is_null()))) <= set(outliers.tolist())
    kinds = rows["reason"][:6].unique().to_list()
    assert set(kinds) == {"novel", "uncertain", "diverse"} or set(kinds) == {"novel", "uncertain"}


def test_what_was_looked_at_is_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    night(tmp_path, *ordinary(30, rng))
    known = NOBODY
    seen: list[int] = []
    for _ in range(4):
        rows = queue(reader(tmp_path), known, 9)
        seen += numbers(rows)
        known = pl.concat([known, rows.select(REFERENCE)])
    assert sorted(seen) == list(range(30))
    assert queue(reader(tmp_path), known, 9).is_empty()
    assert queue(reader(tmp_path), known, 9).schema == queue(reader(tmp_path), NOBODY, 9).schema


def test_nights_and_lines(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for day in range(9):
        night(tmp_path, *ordinary(4, rng), date=NIGHT + dt.timedelta(days=day), line=f"L{day % 2}", prefix=f"d{day}")
    every = queue(reader(tmp_path), NOBODY, 500)
    assert every["date"].n_unique() == review.NIGHTS
    assert every["date"].min() == NIGHT + dt.timedelta(days=2)
    assert set(queue(reader(tmp_path), NOBODY, 500, dates=[NIGHT])["date"]) == {NIGHT}
    assert set(queue(reader(tmp_path), NOBODY, 500, lines=["L1"])["line"]) == {"L1"}
    for how in ({"dates": [NIGHT - dt.timedelta(days=1)]}, {"lines": ["L9"]}):
        with pytest.raises(ReportError, match="have no reports to choose images from"):
            queue(reader(tmp_path), NOBODY, 5, **how)  # type: ignore[arg-type]
    with pytest.raises(ReportError):
        queue(ReportReader(LocalStore(tmp_path / "none", create=True)), NOBODY)


def test_reports_without_novelty_and_of_older_models(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    night(tmp_path, *ordinary(20, rng), prefix="old", model="m0", old=True)
    assert queue(reader(tmp_path), NOBODY, 10)["reason"].unique().sort().to_list() == ["diverse", "uncertain"]
    night(tmp_path, *ordinary(20, rng), prefix="new", date=NIGHT + dt.timedelta(days=1))
    rows = queue(reader(tmp_path), NOBODY, 100)
    assert rows.height == 20
    assert rows["object_key"].str.starts_with("new").all()


def test_everything_is_novel(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    night(tmp_path, *ordinary(12, rng), novel=np.ones(12, bool))
    rows = queue(reader(tmp_path), NOBODY, 50)
    assert rows["reason"].to_list() == ["novel"] * 12
    assert rows["cluster"].null_count() == 12


@pytest.mark.parametrize("count", [1, 2, 7, 19, 100])
def test_as_many_as_there_are_and_none_twice(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(6)
    probabilities, embedding = ordinary(count, rng)
    embedding[: count // 2] = embedding[0]
    night(tmp_path, probabilities, embedding, novel=rng.random(count) < 0.3)
    for n in (1, 5, 6, 50, 1000):
        rows = queue(reader(tmp_path), NOBODY, n)
        assert rows.height == min(n, count)
        assert rows.select(REFERENCE).is_duplicated().sum() == 0
        assert rows.equals(queue(reader(tmp_path), NOBODY, n))


def test_candidates_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each kind the best are kept, though they come in many pieces."""
    monkeypatch.setattr(review, "POOL", 50)
    monkeypatch.setattr(review, "_CHUNK", 64)
    rng = np.random.default_rng(7)
    probabilities, embedding = ordinary(2000, rng)
    worst = rng.choice(2000, 5, replace=False)
    probabilities[worst] = 1 / 3
    night(tmp_path, probabilities, embedding)
    rows = queue(reader(tmp_path), NOBODY, 6)
    assert set(numbers(rows.filter(pl.col("reason") == "uncertain"))) == set(worst.tolist())


@pytest.mark.parametrize("where", ["folder", "s3"])
def test_a_real_night(tmp_path: Path, embedded: StoreSettings, fresh_bucket: Callable[[], Store], where: str) -> None:
    settings = local_settings(tmp_path / "images", tmp_path / "report")
    archive: Store = LocalStore(tmp_path / "images", create=True)
    report: Store = LocalStore(tmp_path / "report", create=True)
    if where == "s3":
        archive, report = fresh_bucket(), fresh_bucket()
        settings = settings.model_copy(
            update={
                "store": embedded,
                "archive": ArchiveSettings(uri=archive.uri),
                "report": ReportSettings(uri=report.uri),
            }
        )
    for key, data in objects(SPEC):
        if f"date={NIGHT}" in key:
            archive.put(key, data)
    inspect_night(settings, NIGHT)
    rows = queue(ReportReader(report), NOBODY, 30)
    assert rows.height == 30
    assert set(rows["line"]) == {"L1", "L2"}
    assert (
        rows.select("object_key", "ordinal", "label", "confidence", "margin", "entropy")
        .null_count()
        .sum_horizontal()[0]
        == 0
    )


def naive(points: npt.NDArray[np.float32], reach: npt.NDArray[np.float32], neighbours: int) -> list[set[int]]:
    """The dense parts of clusters, by the definition."""
    count = len(points)
    near = [
        {
            j
            for j in range(count)
            if np.linalg.norm(points[i].astype(float) - points[j]) <= min(reach[i], reach[j]) and j != i
        }
        for i in range(count)
    ]
    dense = {i for i in range(count) if len(near[i]) >= neighbours}
    parts: list[set[int]] = []
    for i in sorted(dense):
        if not any(i in part for part in parts):
            part, new = {i}, {i}
            while new:
                new = {j for k in new for j in near[k] & dense} - part
                part |= new
            parts.append(part)
    return parts


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=30), st.integers(1, 4))
def test_clusters_are_what_the_definition_says(places: list[tuple[int, int]], neighbours: int) -> None:
    points = np.array(places, np.float32).reshape(-1, 2)
    reach = np.where(points[:, 0] > 6, np.float32(1.5), np.float32(2.2)) if len(points) else np.empty(0, np.float32)
    found = density_clusters(points, reach.astype(np.float32), neighbours)
    parts = naive(points, reach, neighbours)
    for part in parts:
        assert len({int(found[i]) for i in part}) == 1
    assert len({int(found[next(iter(part))]) for part in parts}) == len(parts)
    assert set(found.tolist()) - {-1} == set(range(len(parts)))
    sizes = [int((found == c).sum()) for c in range(len(parts))]
    assert sizes == sorted(sizes, reverse=True)
