"""What a report file says of itself; anything else is a report that has to be made again."""

from __future__ import annotations

import gc
import io
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from steelflow.config import StoreSettings
from steelflow.records import ObjectInfo
from steelflow.report.footer import read_footers
from steelflow.report.writer import Counts
from steelflow.store import Store, open_store

TOLD = {"steelflow.fingerprint": "f" * 64, "steelflow.counts": "[9, 7, 2, 1]"}


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "s3":
        make: Callable[[], Store] = request.getfixturevalue("fresh_bucket")
        return make()
    return open_store(str(tmp_path / "report"), StoreSettings(), create=True)


def report(rows: int = 3, **told: str) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame({"object_key": [f"{i}.jpg" for i in range(rows)]}).write_parquet(buffer, metadata={**TOLD, **told})
    return buffer.getvalue()


def read(store: Store, content: bytes) -> tuple[str, Counts, list[str]]:
    store.put("u.parquet", content)
    (found,) = read_footers(store, store.list("")).values()
    return found.fingerprint, found.counts, found.schema.names


def test_a_report_tells_its_fingerprint_counts_and_columns(store: Store) -> None:
    told = ("f" * 64, Counts(9, 7, 2, 1), ["object_key"])
    assert read(store, report()) == told
    assert read(store, report(rows=60_000)) == told, "a file larger than what is read of it at first"
    assert read(store, report(more="x" * 100_000)) == told, "a footer larger than what is read at first"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PAR1",
        b"no parquet at all, but long enough to have a length in it",
        report()[:-1],
        report()[:-4] + b"PARE",  # encrypted, or nothing of ours
        report()[:-8] + b"\xff\xff\xff\x7fPAR1",
        report()[:-240] + bytes(232) + report()[-8:],
        report(**{"steelflow.counts": "[1, 2"}),
        report(**{"steelflow.counts": "[1, 2, 3, 4, 5]"}),
        report(**{"steelflow.counts": "7"}),
    ],
)
def test_what_is_damaged_is_to_be_made_again(store: Store, content: bytes) -> None:
    assert read(store, content) == ("", Counts(), [])


def test_a_file_of_others_and_one_that_has_gone_are_no_reports(store: Store) -> None:
    buffer = io.BytesIO()
    pl.DataFrame({"a": [1]}).write_parquet(buffer)
    assert read(store, buffer.getvalue()) == ("", Counts(), [])
    store.put("one.parquet", report())
    gone = ObjectInfo("gone.parquet", 1000, "etag")
    found = read_footers(store, [gone, *store.list("one")])
    assert [found[key].counts.found for key in ("gone.parquet", "one.parquet")] == [0, 9]


def test_footers_leave_no_memory_that_only_a_search_for_cycles_frees(store: Store) -> None:
    """A night has thousands of reports, and Python looks for cycles rarely while it inspects."""
    infos = []
    for number in range(20):
        store.put(f"reports/{number}.parquet", report())
        infos.append(next(iter(store.list(f"reports/{number}.parquet"))))
    read_footers(store, infos)
    gc.collect()
    gc.disable()
    try:
        read_footers(store, infos)
        assert gc.collect() < len(infos)
    finally:
        gc.enable()
