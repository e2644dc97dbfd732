"""The images of a night, a page at a time, and their neighbours: against what all rows together say."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged import night as put_night

from dashboard.data import images
from dashboard.data.images import Wanted
from steelflow.archive.fetch import ImageRef
from steelflow.report import neighbours as of_report
from steelflow.report.neighbours import neighbours
from steelflow.report.reader import ReportReader
from steelflow.store.local import LocalStore

NIGHT = dt.date(2026, 11, 1)
LINES = {"L1": 70, "L2": 3, "L3": 40}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three lines; the last one's report is of a version without novelty."""
    root = tmp_path_factory.mktemp("reports")
    rng = np.random.default_rng(0)
    for line, count in LINES.items():
        for part in range(2):  # two files
            probabilities = rng.dirichlet((1, 1, 1), count).astype(np.float32)
            novel = rng.random(count) < 0.3
            prefix = f"{line}-{part}"
            put_night(
                root, probabilities, rng.normal(size=(count, 8)), novel, line=line, prefix=prefix, old=line == "L3"
            )
    return root


@pytest.fixture(scope="module")
def reader(root: Path) -> ReportReader:
    return ReportReader(LocalStore(root))


@pytest.fixture(scope="module")
def rows(reader: ReportReader) -> pl.DataFrame:
    return reader.images([NIGHT]).collect().sort("line", maintain_order=True)


def summary_of(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.group_by("line", "coil", "status", "label").agg(pl.len().alias("images"))


def keys(frame: pl.DataFrame) -> list[str]:
    return frame["object_key"].to_list()


@settings(max_examples=25, deadline=None)
@given(
    line=st.sampled_from([None, *LINES]),
    labels=st.sets(st.sampled_from("abc")),
    novel=st.booleans(),
    low=st.integers(0, 100),
    size=st.integers(30, 90),
    order=st.sampled_from(images.ORDERS),
)
def test_all_pages_together_are_the_rows_that_fit(
    reader: ReportReader,
    rows: pl.DataFrame,
    line: str | None,
    labels: set[str],
    novel: bool,
    low: int,
    size: int,
    order: images.Order,
) -> None:
    wanted = Wanted(NIGHT, line, None, tuple(sorted(labels)), None, novel, low / 100, 1.0, order)
    fits = rows.filter(pl.col("confidence") >= low / 100)
    if line is not None:
        fits = fits.filter(line=line)
    if labels:
        fits = fits.filter(pl.col("label").is_in(list(labels)))
    if novel:
        fits = fits.filter(pl.col("novel").fill_null(False))
    counts = images.count(reader, summary_of(rows), wanted)
    assert sum(counts.values()) == fits.height
    pages = [images.page(reader, wanted, counts, offset, size) for offset in range(0, fits.height, size)]
    seen = pl.concat([pl.DataFrame(schema=images.COLUMNS), *pages])
    assert seen.schema == pl.Schema(images.COLUMNS)
    if order == "archive":
        assert keys(seen) == keys(fits)
    else:
        assert sorted(keys(seen)) == sorted(keys(fits))
        column, down = ("confidence", False) if order == "least sure" else ("novelty", True)
        assert seen[column].to_list() == fits[column].sort(descending=down, nulls_last=True).to_list()


def test_a_page_opens_only_the_lines_that_it_is_from(root: Path, rows: pl.DataFrame, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "r")
    for file in (tmp_path / "r").rglob("line=L3/*.parquet"):
        file.write_bytes(b"no report")
    reader = ReportReader(LocalStore(tmp_path / "r"))
    wanted = Wanted(NIGHT)
    counts = images.count(reader, summary_of(rows), wanted)
    assert counts == {line: 2 * count for line, count in LINES.items()}
    page = images.page(reader, wanted, counts, 130, 14)
    assert page["line"].to_list() == ["L1"] * 10 + ["L2"] * 4


def test_one_image_and_one_that_is_gone(reader: ReportReader, rows: pl.DataFrame) -> None:
    row = rows.row(3, named=True)
    found = images.one(reader, NIGHT, row["line"], images.reference(row))
    assert found is not None
    assert found["object_key"] == row["object_key"]
    assert len(found["embedding"]) == 8
    assert images.one(reader, NIGHT, "L1", ImageRef("other.jpg", None, 0)) is None
    assert images.one(reader, NIGHT, "no such line", images.reference(row)) is None
    assert images.one(reader, NIGHT, row["line"], ImageRef(row["object_key"], "a member", 0)) is None


def test_neighbours_are_the_nearest(reader: ReportReader, rows: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_report, "_CHUNK", 7)
    line = rows.filter(line="L1")
    target = line.row(5, named=True)
    found = neighbours(reader.images([NIGHT], ["L1"]), target["embedding"], "m1", most=9)
    points = np.array(line["embedding"].to_list(), np.float32)
    apart = np.sqrt(((points - points[5]) ** 2).sum(1))
    assert found["distance"].to_numpy() == pytest.approx(np.sort(apart)[:9], abs=1e-5)
    assert keys(found) == [line["object_key"][int(i)] for i in np.argsort(apart, kind="stable")[:9]]
    others = reader.images([NIGHT], ["L1"]).filter(~images.is_image(images.reference(target)))
    assert keys(neighbours(others, target["embedding"], "m1", most=8)) == keys(found)[1:]


def test_embeddings_of_another_model_are_not_compared(reader: ReportReader, rows: pl.DataFrame) -> None:
    found = neighbours(reader.images([NIGHT], ["L1"]), rows["embedding"][0].to_list(), "another")
    assert found.is_empty()
    assert "distance" in found.columns


def test_the_confidence_range_holds_both_its_ends(reader: ReportReader, rows: pl.DataFrame) -> None:
    wanted = Wanted(NIGHT, "L1")
    value = float(rows.filter(line="L1")["confidence"][0])
    counts = images.count(reader, summary_of(rows), replace(wanted, low=value, high=value))
    assert counts["L1"] == 1
