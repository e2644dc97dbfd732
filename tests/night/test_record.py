"""The record of a run: written and read by one type, by this version and by the ones before."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from plants import FOUND, NIGHT, UNITS, local_settings, make_plant, snapshot

from steelflow.config import Settings
from steelflow.errors import ReportError
from steelflow.night.run import inspect_night
from steelflow.report.record import RunRecord

OLD = Path(__file__).parent / "data" / "run-0.1.0.json"  # of the plant of `make_plant`, as version 0.1.0 wrote it


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return local_settings(make_plant(tmp_path / "plant"), tmp_path / "report")


def changed(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_a_record_of_version_0_1_is_read() -> None:
    record = RunRecord.from_json(OLD.read_bytes(), str(OLD))
    assert (record.date, record.state, record.found, record.judged) == (dt.date(2026, 11, 2), "complete", 102, 102)
    assert (record.started_at.hour, record.started_at.utcoffset()) == (14, dt.timedelta(0))
    assert record.backfill == "20261126T140227Z-9db576"
    assert (record.units.done, record.units.failed, record.lines) == (6, (), ("L1", "L2"))
    assert (record.model.name, record.model.digest[:8], record.engine.workers) == ("steelnet", "c888303e", 2)
    assert list(record.stage_seconds) == ["fetch", "decode", "infer", "write"]
    assert record.drift is not None
    assert (record.drift.verdict, [line.line for line in record.drift.lines]) == ("none", ["L1", "L2"])
    assert len(record.drift.signals) == 20


def test_a_record_that_was_read_is_written_as_it_was() -> None:
    assert RunRecord.from_json(OLD.read_bytes(), str(OLD)).to_json() == OLD.read_bytes()


def test_what_another_version_adds_is_kept_and_what_it_lacks_has_a_default() -> None:
    fields = json.loads(OLD.read_text())
    fields["weather"], fields["units"]["late"] = "rain", 3
    kept = json.loads(RunRecord.from_json(json.dumps(fields).encode(), "a test").to_json())
    assert (kept["weather"], kept["units"]["late"]) == ("rain", 3)
    few = {name: fields[name] for name in ("date", "state", "started_at")}
    record = RunRecord.from_json(json.dumps(few).encode(), "a test")
    assert (record.found, record.units.failed, record.finished_at, record.drift) == (0, (), None, None)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"{half", "Invalid JSON"),
        (b"[]", "should be an object"),
        (b"\xff\xfe", "Invalid JSON"),
        (b'{"state": "complete", "started_at": "2026-11-02T01:30:00+00:00"}', "date: Field required"),
        (b'{"date": "2026-11-02", "state": "complete", "started_at": "2026-11-02T01:30:00"}', "started_at: "),
        (b'{"date": "2026-11-02", "state": "?", "started_at": "2026-11-02T01:30:00+00:00"}', "state: "),
    ],
)
def test_what_is_no_record_is_refused_with_its_address(data: bytes, says: str) -> None:
    with pytest.raises(ReportError, match=r"s3://reports/runs/a\.json: is not a run record") as caught:
        RunRecord.from_json(data, "s3://reports/runs/a.json")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_writes_the_keys_of_version_0_1(settings: Settings) -> None:
    result = inspect_night(settings, NIGHT)
    written, old = (json.loads(path.read_text()) for path in (Path(str(result.run_record)), OLD))
    assert list(written) == list(old)
    for part in ("units", "stage_seconds", "model", "engine", "drift"):
        assert list(written[part]) == list(old[part])
    assert RunRecord.from_json(Path(str(result.run_record)).read_bytes(), "a test").drift == result.drift


def test_a_night_that_version_0_1_recorded_is_up_to_date(settings: Settings) -> None:
    first = inspect_night(settings, NIGHT)
    path = Path(str(first.run_record))
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**json.loads(OLD.read_text()), "date": str(NIGHT), "night": fields["night"]}))
    before = snapshot(Path(settings.report.uri))
    second = inspect_night(settings, NIGHT)
    assert (second.run_record, second.judged, second.found) == (first.run_record, 0, FOUND)
    assert second.drift is not None
    assert second.drift.verdict == "none", "the verdict of the record counts"
    assert snapshot(Path(settings.report.uri)) == before


@pytest.mark.parametrize("fields", [{"night": "of other reports"}, {"state": "limited"}, {"state": 1}])
def test_a_record_that_is_not_equal_is_no_reason_to_write_none(settings: Settings, fields: dict[str, Any]) -> None:
    first = inspect_night(settings, NIGHT)
    changed(Path(str(first.run_record)), **fields)
    second = inspect_night(settings, NIGHT)
    assert second.run_record != first.run_record
    assert (second.skipped_units, second.state) == (UNITS, "complete")
    assert inspect_night(settings, NIGHT).run_record == second.run_record
