"""The reference of a new model: which nights it is of, and which of their images."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from nights import night_rows, put_report

from steelflow.drift.check import TABLE
from steelflow.records import Partition
from steelflow.report.layout import folder
from steelflow.report.reader import ReportReader
from steelflow.retrain.reference import _sample, before_drift
from steelflow.store.local import LocalStore

DAY = dt.date(2026, 11, 1)
NO_LINE = folder(Partition(None, DAY)).split("/")[1].removeprefix("line=")


def table(verdicts: dict[str, list[str]]) -> pl.DataFrame:
    rows = [
        {"date": DAY + dt.timedelta(days=night), "line": line, "verdict": verdict, "signal": signal}
        for line, nights in verdicts.items()
        for night, verdict in enumerate(nights)
        for signal in ("brightness", "contrast")
    ]
    return pl.DataFrame([{name: row.get(name) for name in TABLE} for row in rows], schema=TABLE)


@pytest.mark.parametrize(
    ("verdicts", "left_out"),
    [
        (["none", "none", "none"], []),
        (["none", "none", "alarm"], [0, 1]),
        (["none", "warn", "alarm"], [0]),
        (["warn", "none", "alarm"], [0, 1]),
        (["alarm", "alarm", "alarm"], []),
        (["alarm", "none", "none"], []),
        (["insufficient", "insufficient", "none"], []),
    ],
)
def test_what_came_before_drift_that_is_still_there_is_left_out(verdicts: list[str], left_out: list[int]) -> None:
    found = before_drift(table({"L1": verdicts, "L2": ["none"] * 3}))
    assert sorted(found.rows()) == [("L1", DAY + dt.timedelta(days=night)) for night in left_out]


def test_an_empty_table_leaves_nothing_out() -> None:
    assert before_drift(table({})).is_empty()


def drawn(report: LocalStore, without: pl.DataFrame | None = None) -> pl.DataFrame:
    nothing = before_drift(table({}))
    return _sample(ReportReader(report), ReportReader(report).nights(), nothing if without is None else without)


@pytest.mark.parametrize(("images", "kept"), [(249, 249), (250, 250), (251, 250), (600, 250)])
def test_of_a_coil_no_more_than_250_images_are_drawn(tmp_path: Path, images: int, kept: int) -> None:
    report = LocalStore(tmp_path, create=True)
    put_report(report, DAY, "L1", night_rows(images, seed=1, coils=1))
    put_report(report, DAY, "L2", night_rows(10, seed=2, coils=0))
    found = drawn(report)
    assert dict(found.group_by("line").len().iter_rows()) == {"L1": kept, "L2": 10}
    assert found.select("object_key", "member", "ordinal").is_duplicated().sum() == 0
    assert drawn(report).equals(found), "the same ones every time"


def test_whole_coils_are_drawn_until_a_line_has_2000_images(tmp_path: Path) -> None:
    report = LocalStore(tmp_path, create=True)
    for night in range(2):
        coils = [
            night_rows(240, seed=20 * night + coil).with_columns(coil=pl.lit(f"C{coil}"))  # the same names every night
            for coil in range(10)
        ]
        put_report(report, DAY + dt.timedelta(days=night), "L1", pl.concat(coils))
        put_report(report, DAY + dt.timedelta(days=night), "L2", coils[0])
    found = drawn(report)
    sizes = found.group_by("line", "date", "coil").len()
    assert set(sizes["len"]) == {240}
    assert dict(sizes.group_by("line").agg(pl.col("len").sum()).iter_rows()) == {"L1": 9 * 240, "L2": 2 * 240}
    before = pl.DataFrame({"line": ["L2"], "date": [DAY]})
    rest = drawn(report, before).filter(line="L2")
    assert (rest.height, set(rest["date"])) == (240, {DAY + dt.timedelta(days=1)})


def test_a_plant_without_lines_has_a_reference_too(tmp_path: Path) -> None:
    report = LocalStore(tmp_path, create=True)
    put_report(report, DAY, NO_LINE, night_rows(30, seed=1))
    assert set(drawn(report)["line"]) == {None}
    assert drawn(report).height == 30
