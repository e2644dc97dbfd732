"""Keys say what they hold, and are read back as written."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelflow.records import Partition, Unit
from steelflow.report.layout import daily_key, folder, night_lock_key, parse_folder, report_key, run_key, summary_key

DATE = dt.date(2026, 11, 8)


def test_where_everything_is() -> None:
    here = Partition("L1", DATE)
    assert report_key(Unit("loose-01", here, "loose", ())) == "reports/date=2026-11-08/line=L1/loose-01.parquet"
    assert summary_key(here) == "summaries/date=2026-11-08/line=L1.parquet"
    assert daily_key("2026-11") == "daily/month=2026-11.parquet"
    assert run_key(DATE, "r1") == "runs/date=2026-11-08/r1.json"
    assert night_lock_key(DATE) == "locks/night-2026-11-08"
    assert folder(Partition(None, None)) == "date=__HIVE_DEFAULT_PARTITION__/line=__HIVE_DEFAULT_PARTITION__/"


@given(st.builds(Partition, st.none() | st.text(min_size=1), st.none() | st.dates()))
def test_a_folder_is_read_back(partition: Partition) -> None:
    assert parse_folder(f"reports/{folder(partition)}unit.parquet") == partition


@pytest.mark.parametrize(
    "key",
    ["reports/notes.txt", "reports/date=2026-11-08/x.parquet", "reports/line=L1/x.parquet", "date=soon/line=L1/x"],
)
def test_keys_of_others(key: str) -> None:
    assert parse_folder(key) is None
