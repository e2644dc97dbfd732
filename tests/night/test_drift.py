"""The drift of a night: measured where the night is complete, and recorded also where the reference is damaged."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from nights import DAY, night_rows, put_report
from plants import NIGHT, local_settings, make_plant

from steelflow.config import Settings
from steelflow.drift import build_profile, drift_table
from steelflow.errors import ReportError
from steelflow.night.drift import check_drift, measure_drift
from steelflow.night.run import inspect_night
from steelflow.registry import open_registry, resolved
from steelflow.store import open_store
from steelflow.store.local import LocalStore


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "images").mkdir()
    return local_settings(tmp_path / "images", tmp_path / "report")


def put_nights(settings: Settings, *lights: float) -> LocalStore:
    report = LocalStore(Path(settings.report.uri), create=True)
    for number, light in enumerate(lights):
        rows = night_rows(seed=number, light=light, digest=resolved(settings).digest)
        put_report(report, DAY + dt.timedelta(number), "L1", rows)
    return report


def champion(settings: Settings, reference: bytes | None) -> Settings:
    registry = open_registry(settings)
    version = registry.register("steelnet", who="ann", reason="a test", reference=reference)
    registry.promote(version, who="ann", reason="a test")
    return settings


def test_a_night_without_reports_is_refused_and_one_with_reports_is_checked_again(settings: Settings) -> None:
    with pytest.raises(ReportError, match="run `steelflow nightly"):
        check_drift(settings, DAY)  # nothing was ever inspected
    digest = resolved(settings).digest
    settings = champion(settings, build_profile(night_rows(1500, seed=77, digest=digest), digest))
    report = put_nights(settings, 1.0, 0.6)
    assert [check_drift(settings, DAY + dt.timedelta(night)).verdict for night in (0, 1)] == ["none", "alarm"]
    assert drift_table(report)["date"].unique().sort().to_list() == [DAY, DAY + dt.timedelta(1)]
    assert [info.key for info in report.list("drift/explanations/")] == [
        f"drift/explanations/date={DAY + dt.timedelta(1)}.html"
    ]
    with pytest.raises(ReportError, match=f"no reports of {DAY + dt.timedelta(2)}"):
        check_drift(settings, DAY + dt.timedelta(2))


def test_a_champion_without_reference_grows_one(settings: Settings) -> None:
    settings = champion(settings, None)
    put_nights(settings, 1.0)
    found = check_drift(settings, DAY)
    assert found.verdict == "insufficient"
    assert found.reasons == (
        "L1: no reference yet (run `steelflow nightly` for 2 more nights): this night is part of it, 1 of 3",
    )


def test_a_damaged_reference_is_said_and_the_night_is_recorded(settings: Settings) -> None:
    other = build_profile(night_rows(seed=1, digest="e" * 64), "e" * 64)
    settings = champion(settings, other)
    report = put_nights(settings, 1.0)
    digest = resolved(settings).digest
    archive = open_store(settings.archive.uri, settings.store)
    found = measure_drift(settings, report, archive, DAY, digest=digest, version="v1")
    assert (found.date, found.verdict, found.model) == (DAY, "insufficient", digest)
    assert "cannot be compared" in found.reasons[0]
    gone = measure_drift(settings, report, archive, DAY, digest=digest, version="v9")
    assert (gone.verdict, "v9" in gone.reasons[0]) == ("insufficient", True)


def test_only_a_complete_night_has_its_drift_measured(tmp_path: Path) -> None:
    plant = local_settings(make_plant(tmp_path / "plant"), tmp_path / "other")
    limited = inspect_night(plant, NIGHT, limit=1)
    assert (limited.state, limited.drift, limited.to_dict()["drift"]) == ("limited", None, None)
    assert not list((tmp_path / "other" / "drift").rglob("*.parquet"))
    rest = inspect_night(plant, NIGHT)
    assert rest.drift is not None
    assert [line.line for line in rest.drift.lines] == ["L1", "L2"]
    assert json.loads(json.dumps(rest.to_dict()))["drift"]["verdict"] == rest.drift.verdict
