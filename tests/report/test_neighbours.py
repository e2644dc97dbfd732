"""The nearest images in embedding space."""

from __future__ import annotations

import polars as pl
import pytest

from steelflow.report.neighbours import COLUMNS, neighbours

MODEL = "d" * 64


def images(*points: tuple[float, float], **changed: object) -> pl.DataFrame:
    rows = pl.DataFrame({"embedding": points}, schema={"embedding": pl.List(pl.Float16)})
    return rows.with_columns(
        object_key=pl.format("{}.jpg", pl.int_range(pl.len())),
        member=pl.lit(None, pl.String),
        ordinal=pl.lit(0),
        coil=pl.lit("C1"),
        label=pl.lit("patches"),
        confidence=pl.lit(0.9),
        status=pl.lit("ok"),
        model_digest=pl.lit(MODEL),
    ).with_columns(**{name: pl.lit(value) for name, value in changed.items()})


def test_nearest_first_by_euclidean_distance() -> None:
    rows = images((6, 8), (0, 1), (3, 4), (0, 0))
    found = neighbours(rows.lazy(), [0.0, 0.0], MODEL, most=3)
    assert tuple(found.columns) == (*COLUMNS, "distance")
    assert found["object_key"].to_list() == ["3.jpg", "1.jpg", "2.jpg"]
    assert found["distance"].to_list() == pytest.approx([0, 1, 5])
    assert neighbours(rows.lazy(), [6.0, 7.0], MODEL)["distance"].to_list() == pytest.approx(
        [1, 18**0.5, 72**0.5, 85**0.5]
    )


def test_failures_and_other_models_are_no_neighbours() -> None:
    own = images((1, 1))
    rows = pl.concat([images((0, 0), status="failed"), images((0, 0), model_digest="e" * 64), own])
    assert neighbours(rows.lazy(), [0.0, 0.0], MODEL)["distance"].to_list() == pytest.approx([2**0.5])
    none = neighbours(rows.lazy(), [0.0, 0.0], "f" * 64)
    assert (none.height, tuple(none.columns)) == (0, (*COLUMNS, "distance"))


def test_the_nearest_are_found_among_many() -> None:
    """More rows than are compared at a time; the last ones are near."""
    rows = images(*[(10 + i % 7, 0) for i in range(40_000)], (2, 0), (1, 0))
    found = neighbours(rows.lazy(), [0.0, 0.0], MODEL, most=3)
    assert found["distance"].to_list() == [1, 2, 10]
    assert found["object_key"][2] == "0.jpg"
