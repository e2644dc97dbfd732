"""A night whose archive and reports are in S3, over a good and over a bad network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from faults import FaultyProxy
from plants import FAILED, FOUND, NIGHT, SPEC, UNITS, local_settings, make_plant, rows_of

from steelflow.config import ArchiveSettings, ReportSettings, Settings, StoreSettings
from steelflow.night.run import inspect_night
from steelflow.store import Store
from steelflow.synth import objects

NewBucket = Callable[[], Store]


@pytest.fixture
def settings(tmp_path: Path, embedded: StoreSettings, fresh_bucket: NewBucket) -> Settings:
    archive, report = fresh_bucket(), fresh_bucket()
    for key, data in objects(SPEC):
        archive.put(key, data)
    return local_settings(tmp_path, tmp_path).model_copy(
        update={
            "store": embedded,
            "archive": ArchiveSettings(uri=archive.uri),
            "report": ReportSettings(uri=report.uri + "/some/prefix"),
        }
    )


def test_as_from_a_folder(settings: Settings, tmp_path: Path) -> None:
    result = inspect_night(settings, NIGHT)
    assert (result.found, result.failed, result.done_units, result.state) == (FOUND, FAILED, UNITS, "complete")
    local = local_settings(make_plant(tmp_path / "plant"), tmp_path / "report")
    inspect_night(local, NIGHT)
    assert rows_of(settings).drop("unit_id").equals(rows_of(local).drop("unit_id"))
    again = inspect_night(settings, NIGHT)
    assert (again.done_units, again.skipped_units, again.run_record) == (0, UNITS, result.run_record)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "errors", "cuts", "resets"), [(0, 0.05, 0.02, 0.02), (1, 0.05, 0.02, 0.02), (2, 0.1, 0.05, 0.05)]
)
def test_storage_that_fails_now_and_then(
    settings: Settings,
    embedded: StoreSettings,
    fresh_bucket: NewBucket,
    seed: int,
    errors: float,
    cuts: float,
    resets: float,
) -> None:
    inspect_night(settings, NIGHT)
    expected = rows_of(settings)
    shaky = settings.model_copy(update={"report": ReportSettings(uri=fresh_bucket().uri)})
    with FaultyProxy(embedded.endpoint, seed, errors=errors, cuts=cuts, resets=resets, delay=0.02) as proxy:
        store = embedded.model_copy(update={"endpoint": proxy.endpoint})
        result = inspect_night(shaky.model_copy(update={"store": store}), NIGHT)
        assert proxy.done["errors"] > 0, json.dumps(proxy.done)
    assert (result.found, result.failed_units, result.state) == (FOUND, (), "complete")
    assert rows_of(shaky).equals(expected)
