"""The summary of a report is the same from its footer as from its rows."""

from __future__ import annotations

import base64
import datetime as dt
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from steelflow.models.novelty import Novelty
from steelflow.models.spec import ModelSpec
from steelflow.records import Failure, ObjectInfo, Partition, Region, Unit
from steelflow.report import unit_summary
from steelflow.report.footer import each_footer
from steelflow.report.judged import Found, Framed, ImagePlace, Judged, Origin
from steelflow.report.model_notes import models_note
from steelflow.report.summary import summarised
from steelflow.report.writer import MODEL, SUMMARY, UnitWriter
from steelflow.store.local import LocalStore

DATE = dt.date(2026, 11, 18)
CLASSES = ("crack", "good", "scale")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "report", create=True)


def spec(good: bool) -> ModelSpec:
    known = {"good": ("good",), "operating_point": 0.5} if good else {}
    return ModelSpec(name="net", version="7", arch="net", classes=CLASSES, input_size=8, embedding_dims=2, **known)


def chunk(rng: np.random.Generator, images: int, *, framed: bool, good: bool) -> Judged:
    """Images of three coils and no coil; each tenth cannot be read. Frames are of two cameras, some of unknown length,
    and have up to three regions."""
    coils = (None, "C1", "C2", "Ü 3")
    places = [
        ImagePlace(f"{i}.jpg", None, 0, str(coil) if (coil := rng.choice(coils)) else None)._replace(
            camera=str(rng.choice(["top", "bottom"])) if framed else None
        )
        for i in range(images)
    ]
    judged = np.flatnonzero(rng.random(images) > 0.1)
    shares = rng.dirichlet(np.full(3, 0.3), len(judged)).astype(np.float32)
    failures = {i: Failure("empty", "no bytes") for i in set(range(images)) - set(judged.tolist())}
    figures = rng.random((len(judged), 4)).astype(np.float32)
    told = None
    if framed:
        lengths = np.where(rng.random(len(judged)) > 0.2, rng.random(len(judged)), np.nan).astype(np.float32)
        told = Framed(
            lengths, [_region(rng, int(i), n) for i in judged for n in range(rng.integers(4))] if good else None
        )
    sizes = np.full((len(judged), 2), 8, np.int32)
    return Judged(places, failures, judged, shares, figures[:, :2], figures[:, 0], figures, sizes, told)


def _region(rng: np.random.Generator, image: int, number: int) -> Found:
    score = float(np.float32(rng.choice([0.5, 0.7, 0.9, 0.99]) - rng.choice([0, 0.001])))  # at a band's bound and below
    label, area = int(rng.choice([0, 2])), int(rng.integers(1, 9))
    return Found(image, number, Region(label, score, 0, 0, 4, 3, area, 1), 0.0, 0.0, 0.0, 0.0, 0.0)


def write(store: LocalStore, unit: str, *, images: int, framed: bool = False, good: bool = False, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    known = Novelty(np.zeros((1, 2), np.float32), np.eye(2, dtype=np.float32), 0.5, 0.5)
    partition = Partition("L1", DATE)
    origin = Origin(Unit(unit, partition, "loose", ()), spec(good), "d" * 64, "run", known if framed else None)
    key = f"reports/date={DATE}/line=L1/{unit}.parquet"
    with UnitWriter(store, key, origin=origin, fingerprint="f", hive=True, framed=framed) as report:
        for start in range(0, images, 3000):
            report.append(chunk(rng, min(3000, images - start), framed=framed, good=good))
        report.commit(images, ignored=0)
    return key


def files(store: LocalStore) -> list[ObjectInfo]:
    return [info for info in store.list("reports/") if "line=" in info.key and "regions" not in info.key]


def by_rows(store: LocalStore) -> pl.DataFrame:
    return summarised(store, files(store), where=pl.lit(True))


def equal(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    """Sums of figures depend on their order in the last digit."""
    assert expected["images"].sum() > 0
    assert_frame_equal(found, expected, check_exact=False, rel_tol=1e-6, abs_tol=1e-9)


def rewritten(store: LocalStore, key: str, change: Mapping[bytes, bytes | None]) -> None:
    """The report with other entries in its footer; None takes an entry out."""
    path = store.root / key
    table = pq.read_table(path, partitioning=None)
    kept = {**pq.read_metadata(path).metadata, b"ARROW:schema": None, **change}
    told = {name: value for name, value in kept.items() if value is not None}
    pq.write_table(table.replace_schema_metadata(told), path)


KINDS = {
    "whole images": {},
    "frames": {"framed": True, "good": True},
    "frames of a model without good classes": {"framed": True},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("images", [1, 700, 10_000])
def test_footers_tell_what_the_rows_tell(store: LocalStore, kind: str, images: int) -> None:
    for number, unit in enumerate(("a" * 16, "b" * 16)):
        write(store, unit, images=images, seed=number, **KINDS[kind])
    equal(summarised(store, files(store)), by_rows(store))


def test_kinds_can_be_mixed_with_reports_of_an_older_version(store: LocalStore) -> None:
    for number, kind in enumerate(KINDS.values()):
        write(store, f"{number}" * 16, images=500, seed=number, **kind)
        old = write(store, f"a{number}" * 8, images=500, seed=10 + number, **kind)
        rewritten(store, old, {SUMMARY: None, MODEL: None})
    footers = [footer for _, footer in each_footer(store, files(store))]
    assert [footer.counts.found for footer in footers] == [500] * 2 * len(KINDS)
    assert sum(footer.summary == b"" for footer in footers) == len(KINDS)
    equal(summarised(store, files(store)), by_rows(store))


def test_no_row_is_read_for_a_summary(store: LocalStore) -> None:
    keys = [write(store, f"{number}" * 16, images=5_000, seed=number, **KINDS["frames"]) for number in range(3)]
    expected = by_rows(store)
    for key in keys:
        path = store.root / key
        data = path.read_bytes()
        length = int.from_bytes(data[-8:-4], "little") + 8
        path.write_bytes(b"PAR1" + bytes(len(data) - length - 4) + data[-length:])
    equal(summarised(store, files(store)), expected)
    assert models_note(store, DATE) == ()


def test_more_summaries_than_are_held_at_a_time(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steelflow.report.summary._FOLDED", 2)
    for number in range(5):
        write(store, f"{number}" * 16, images=50, seed=number, **KINDS["frames"])
    equal(summarised(store, files(store)), by_rows(store))


def test_large_counts_are_exact() -> None:
    rows = pa.table(
        {
            "coil": ["C"],
            "label": ["scale"],
            "camera": ["top"],
            "side": [None],
            "score": [0.9],
            "area": [123_456_789_012_345],
        }
    )
    summary = unit_summary.UnitSummary()
    summary.add_regions(rows)
    found = unit_summary.read_unit_summary(summary.to_bytes())
    assert found is not None
    assert (found["defect_area"], found["regions"], found["images"]) == ([123_456_789_012_345], [1], [0])


def other(store: LocalStore) -> bytes:
    """The summary of other rows."""
    write(store, "c" * 16, images=30)
    found = next(footer for info, footer in each_footer(store, files(store)) if "c" * 16 in info.key)
    (store.root / f"reports/date={DATE}/line=L1/{'c' * 16}.parquet").unlink()
    return found.summary


UNUSABLE: dict[str, Callable[[LocalStore], bytes]] = {
    "no base64": lambda _: b"{}",
    "larger than any": lambda _: base64.b64encode(zlib.compress(b"[" + b" " * 5_000_000 + b"]")),
    "cut": lambda store: other(store)[:40],
    "of other rows": other,
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_unusable_summary_is_made_from_the_rows(store: LocalStore, kind: str) -> None:
    key = write(store, "a" * 16, images=500)
    expected = by_rows(store)
    rewritten(store, key, {SUMMARY: UNUSABLE[kind](store)})
    equal(summarised(store, files(store)), expected)


def test_neither_another_version_nor_too_many_groups_are_read(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_VERSION", 0), ("_MOST", 3)):
        with monkeypatch.context() as patched:
            patched.setattr(unit_summary, name, value)
            write(store, f"{value}" * 16, images=500)
    assert [unit_summary.read_unit_summary(footer.summary) for _, footer in each_footer(store, files(store))] == [
        None
    ] * 2
    equal(summarised(store, files(store)), by_rows(store))


def test_the_models_of_a_night_are_in_the_footers_or_in_the_rows(store: LocalStore) -> None:
    write(store, "a" * 16, images=5)
    changed = write(store, "b" * 16, images=5)
    rewritten(store, changed, {MODEL: b'["new", "8", "eeeeeeeeee"]'})
    (note,) = models_note(store, DATE)
    assert "rows of 2 models (net dddddddd: L1; new eeeeeeee: L1)" in note
    rewritten(store, changed, {MODEL: None})
    assert models_note(store, DATE) == (), "its rows are of the same model"
