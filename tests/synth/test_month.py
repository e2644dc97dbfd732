"""The figures of a simulated month, and the folders that the simulation and the demo make."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from steelflow.config import Settings
from steelflow.errors import ConfigError
from steelflow.retrain import RetrainResult
from steelflow.retrain.record import State
from steelflow.synth import demo, month
from steelflow.synth.ledger import Entry, summary


def decided(state: State) -> RetrainResult:
    return RetrainResult(
        id="r1",
        state=state,
        text="why",
        trigger="drift",
        reason="drift",
        who="ann",
        started_at="2026-11-02T06:00:00+00:00",
        seconds=1.0,
        champion="v1",
        challenger="v2",
        details={},
    )


def night(number: int, verdict: str, closed: float, alone: float, labels: int, result: RetrainResult | None) -> Entry:
    return Entry(
        date=dt.date(2026, 11, number),
        events=(),
        images=10,
        model="v1",
        verdict=verdict,
        reasons=(),
        accuracy=closed,
        alone=alone,
        labels=labels,
        retraining=result,
    )


def test_a_month_is_summed_up() -> None:
    found = summary(
        [
            night(1, "none", 1.0, 1.0, 0, None),
            night(2, "alarm", 0.8, 0.7, 150, decided("refused")),
            night(3, "alarm", 0.9, 0.6, 140, decided("promoted")),
            night(4, "warn", 0.95, 0.65, 0, None),
        ]
    )
    assert (found.alarms, found.retrainings, found.promotions, found.labels) == (2, 2, 1, 290)
    assert (found.closed.mean, found.closed.worst, found.closed.last) == (pytest.approx(0.9125), 0.8, 0.95)
    assert (found.alone.mean, found.alone.worst, found.alone.last) == (pytest.approx(0.7375), 0.6, 0.65)


def test_the_plant_that_is_left_alone_shares_archive_and_registry_but_not_the_reports(tmp_path: Path) -> None:
    closed = month.closed_loop(Settings(), tmp_path, epochs=3)
    alone = month.left_alone(closed, tmp_path, "v1")
    assert (alone.archive, alone.registry_uri, alone.home) == (closed.archive, closed.registry_uri, closed.home)
    assert alone.report.uri != closed.report.uri
    assert (alone.model.ref, closed.model.ref, closed.retrain.epochs) == ("v1", "champion", 3)


@pytest.mark.parametrize(("begin", "maker"), [(month.begin, "a simulation"), (demo.begin, "the demo")])
def test_only_a_folder_of_its_own_is_emptied(begin: Callable[[Path], object], maker: str, tmp_path: Path) -> None:
    out = tmp_path / "made"
    begin(out)
    (out / "left-over").write_text("of the run before")
    begin(out)
    assert not (out / "left-over").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious").write_text("mine")
    (tmp_path / "other" / "steelflow.toml").write_text('home = "."')
    with pytest.raises(ConfigError, match=f"is not empty and was not made by {maker}; name another folder with --out"):
        begin(tmp_path / "other")
    assert (tmp_path / "other" / "precious").read_text() == "mine"
