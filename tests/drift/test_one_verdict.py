"""One verdict for a night, whoever asks; and a line's window is its own nights."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from nights import DAY, DIGEST, night_rows, put_report
from plants import local_settings, snapshot

from steelflow.config import DriftSettings, Settings
from steelflow.drift import NightVerdict, accept, build_profile, check_night, drift_table
from steelflow.night.comparison import compare
from steelflow.night.drift import check_drift
from steelflow.registry import resolved
from steelflow.store import Store
from steelflow.store.local import LocalStore

GENTLE = DriftSettings(severe=100, window=3, breaches=2)
SELDOM = [(1,), (7,), (1, 3), (7, 14), (1, 30)]  # days before the last breach of a line, on which it breached too


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "images").mkdir()
    return local_settings(tmp_path / "images", tmp_path / "report")


@pytest.fixture
def report(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "report", create=True)


def day(number: int) -> dt.date:
    return DAY + dt.timedelta(number)


def judged(report: Store, number: int, line: str, light: float) -> NightVerdict:
    put_report(report, day(number), line, night_rows(seed=number, light=light))
    return check_night(report, day(number), GENTLE, DIGEST, build_profile(night_rows(1800, seed=100), DIGEST))


@pytest.mark.parametrize("before", SELDOM)
def test_a_line_that_runs_seldom_alarms_as_one_that_runs_every_night(
    report: LocalStore, before: tuple[int, ...]
) -> None:
    last = max(before)
    for number in range(last + 1):  # another line runs every night
        judged(report, number, "L1", 1.0)
        if last - number in (0, *before):
            found = judged(report, number, "L2", 0.85)
    assert {one.line: one.verdict for one in found.lines} == {"L1": "none", "L2": "alarm"}


def test_a_night_without_a_verdict_does_not_fill_the_window(report: LocalStore) -> None:
    judged(report, 0, "L1", 0.85)
    for number in (1, 2, 3):
        put_report(report, day(number), "L1", night_rows(60, seed=number))
        assert check_night(report, day(number), GENTLE, DIGEST).verdict == "insufficient"
    assert judged(report, 4, "L1", 0.85).verdict == "alarm"


@pytest.mark.parametrize("reference", [True, False], ids=["brought", "first nights"])
@pytest.mark.parametrize("light", [1.0, 0.85, 0.5])
def test_nightly_drift_check_drift_and_the_dashboards_table_agree(
    settings: Settings, report: LocalStore, reference: bool, light: float
) -> None:
    digest = resolved(settings).digest
    if reference:
        for line in ("L1", "L2"):
            put_report(report, day(-9), line, night_rows(1500, seed=77, digest=digest))
        accept(report, digest, [day(-9)], 500, who="ann", reason="a test")
    for number in range(5):
        for line in ("L1", "L2"):
            shade = light if line == "L2" and number > 2 else 1.0
            put_report(report, day(number), line, night_rows(seed=10 * number + len(line), light=shade, digest=digest))
        night = check_drift(settings, day(number))  # as `nightly` and the flow `drift-check` do
        before = snapshot(report.root)
        shown = compare(settings)  # `steelflow drift`
        assert snapshot(report.root) == before
        table = drift_table(report, [day(number)]).unique("line").sort("line")
        assert shown.chosen.date == day(number)
        said = {one.line: (one.verdict, one.reason) for one in night.lines}
        assert {one.line: (one.verdict, one.reason) for one in shown.chosen.lines} == said
        assert {row["line"]: (row["verdict"], row["reason"]) for row in table.iter_rows(named=True)} == said


@pytest.mark.parametrize("kind", ["accepted", "brought", "first nights"])
def test_a_night_of_the_reference_has_no_verdict(report: LocalStore, kind: str) -> None:
    rows = night_rows(1800, seed=1)
    put_report(report, DAY, "L1", rows)
    profile = None
    if kind == "accepted":
        accept(report, DIGEST, [DAY], 500, who="ann", reason="a test")
    elif kind == "brought":
        profile = build_profile(rows.with_columns(line=pl.lit("L1"), date=pl.lit(DAY)), DIGEST)
    found = check_night(report, DAY, DriftSettings(reference_nights=1), DIGEST, profile)
    assert found.verdict == "insufficient"
    assert "part of" in found.reasons[0]
    put_report(report, day(1), "L1", night_rows(seed=2))
    assert check_night(report, day(1), DriftSettings(reference_nights=1), DIGEST, profile).verdict == "none"


def test_insufficient_says_what_to_run(settings: Settings, report: LocalStore) -> None:
    digest = resolved(settings).digest
    put_report(report, DAY, "few", night_rows(60, digest=digest))
    put_report(report, DAY, "new", night_rows(600, digest=digest))
    put_report(report, DAY, "other", night_rows(600, digest="e" * 64))
    found = check_drift(settings, DAY)
    assert found.verdict == "insufficient"
    assert all("steelflow nightly" in line.reason for line in found.lines)
