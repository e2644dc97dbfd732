"""The report of one unit is put whole, and only if its rows add up."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from steelflow.errors import ReportError
from steelflow.models.spec import ModelSpec
from steelflow.records import Failure, Partition, Unit
from steelflow.report.footer import read_footers
from steelflow.report.judged import ImagePlace, Judged, Origin
from steelflow.report.writer import ROW_GROUP, Counts, UnitWriter
from steelflow.store.local import LocalStore

SPEC = ModelSpec(name="net", version="7", arch="net", classes=("a", "b"), input_size=8, embedding_dims=2)
UNIT = Unit("loose", Partition("L1", dt.date(2026, 11, 18)), "loose", ())
ORIGIN = Origin(UNIT, SPEC, "d" * 64, "run")
KEY = "reports/date=2026-11-18/line=L1/loose.parquet"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "report", create=True)


def chunk(good: int, failed: int, first: int = 0) -> Judged:
    """The failures first, then the good images: the n-th of them has brightness n and is an ``a`` with n hundredths."""
    places = [ImagePlace(f"{first + i:05}.jpg", None, 0) for i in range(failed + good)]
    share = (np.arange(good, dtype=np.float32) % 100 / 100)[:, None]
    number = np.arange(good, dtype=np.float32)[:, None]
    return Judged(
        places,
        {i: Failure("empty", "no bytes") for i in range(failed)},
        np.arange(failed, failed + good),
        np.hstack([share, 1 - share]),
        np.hstack([number, -number]),
        number[:, 0],
        np.hstack([number, number, number, number]),
        np.hstack([number, 2 * number]).astype(np.int32),
    )


def writer(store: LocalStore) -> UnitWriter:
    return UnitWriter(store, KEY, origin=ORIGIN, fingerprint="fingerprint", hive=True)


@pytest.mark.parametrize("found", [0, 4, 6])
def test_a_report_whose_rows_do_not_add_up_is_not_put(store: LocalStore, found: int) -> None:
    with writer(store) as report:
        report.append(chunk(good=3, failed=2))
        with pytest.raises(ReportError, match=rf"{found} images found, but 3 ok \+ 2 failed, 5 rows; nothing was"):
            report.commit(found, ignored=0)
    assert list(store.list("")) == []


def test_an_image_that_is_neither_judged_nor_failed_is_not_lost_in_silence(store: LocalStore) -> None:
    judged = chunk(good=2, failed=1)
    judged.failures.clear()  # three images found, three rows, but only two of them are accounted for
    with writer(store) as report:
        report.append(judged)
        with pytest.raises(ReportError, match=r"3 images found, but 2 ok \+ 0 failed, 3 rows"):
            report.commit(3, ignored=0)
    assert list(store.list("")) == []


def test_a_report_holds_its_rows_in_order_and_says_so_in_its_footer(store: LocalStore) -> None:
    with writer(store) as report:
        for first in (0, 5):
            report.append(chunk(good=3, failed=2, first=first))
        assert report.commit(10, ignored=4) == Counts(10, 6, 4, 4)
    rows = pl.read_parquet(store.root / KEY, hive_partitioning=False)
    assert {"line", "date"}.isdisjoint(rows.columns), "they stand in the path"
    assert rows["object_key"].to_list() == [f"{i:05}.jpg" for i in range(10)]
    assert rows["status"].to_list() == 2 * ["failed", "failed", "ok", "ok", "ok"]
    assert rows["error"].to_list() == 2 * ["empty: no bytes", "empty: no bytes", None, None, None]
    assert rows["brightness"].to_list() == 2 * [None, None, 0, 1, 2]
    assert rows.select("height", "width").drop_nulls().rows() == 2 * [(0, 0), (1, 2), (2, 4)]
    footer = read_footers(store, store.list(""))[KEY]
    assert (footer.fingerprint, footer.counts) == ("fingerprint", Counts(10, 6, 4, 4))


def test_rows_go_to_disk_whenever_a_row_group_is_full(store: LocalStore) -> None:
    with writer(store) as report:
        for number in range(4):
            report.append(chunk(good=3000, failed=0, first=number * 3000))
        report.commit(12_000, ignored=0)
    metadata = pq.read_metadata(store.root / KEY)
    sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert sizes == [ROW_GROUP, 6000 - ROW_GROUP] * 2, "memory holds two chunks at most"


@pytest.mark.parametrize("images", [0, 3])
def test_a_report_without_a_commit_leaves_nothing_behind(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: int
) -> None:
    drafts = tmp_path / "drafts"
    drafts.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(drafts))
    with writer(store) as report:
        assert len(list(drafts.iterdir())) == 1
        if images:
            report.append(chunk(images, failed=0))
    assert list(drafts.iterdir()) == list(store.list("")) == []
