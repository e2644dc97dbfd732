"""``steelflow.inspect`` and ``steelflow.open_report``."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from plants import FAILED, FOUND, NIGHT, local_settings, make_plant
from polars.testing import assert_frame_equal

import steelflow
from steelflow.config import StoreSettings
from steelflow.night.run import inspect_night
from steelflow.store.s3 import S3Store

LATER = NIGHT + dt.timedelta(days=1)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of two nights of a plant with two lines."""
    folder = tmp_path_factory.mktemp("nights")
    settings = local_settings(make_plant(folder / "plant"), folder / "reports")
    for night in (NIGHT, LATER):
        inspect_night(settings, night)
    return folder / "reports"


def test_a_folder_becomes_a_report_and_no_server_is_started(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told: list[int] = []
    result = steelflow.inspect(photos, out="report", progress=told.append)
    assert (result.images, result.ok, result.failed, result.judged, sum(told)) == (18, 18, 0, 18, 18)
    rows = steelflow.open_report("report").collect()
    assert (rows.height, set(rows["status"])) == (18, {"ok"})
    assert steelflow.inspect(photos, out="report").judged == 0
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_model_and_engine_are_the_caller_s(photos: Path, tmp_path: Path) -> None:
    result = steelflow.inspect(photos, out=tmp_path, model="ssdc_mininet", engine="onnxruntime")
    assert (result.model, result.engine) == ("ssdc_mininet", "onnxruntime CPU")
    assert set(steelflow.open_report(tmp_path).collect()["model_name"]) == {"ssdc_mininet"}


def test_a_source_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(steelflow.SteelflowError, match="no such file or folder"):
        steelflow.inspect(tmp_path / "gone", out=tmp_path / "report")


def test_date_and_line_come_from_the_path(nights: Path) -> None:
    rows = steelflow.open_report(nights)
    counts = rows.group_by("date", "line").len().sort("date", "line").collect()
    assert counts.rows() == [(date, line, FOUND // 2) for date in (NIGHT, LATER) for line in ("L1", "L2")]
    assert rows.filter(pl.col("status") == "failed").collect().height == 2 * FAILED


@pytest.mark.parametrize(
    ("chosen", "images"),
    [
        ({"dates": NIGHT}, FOUND),
        ({"dates": str(LATER)}, FOUND),
        ({"dates": [NIGHT, str(LATER)], "lines": "L2"}, FOUND),
        ({"lines": ["L1", "L2"]}, 2 * FOUND),
    ],
)
def test_nights_and_lines_are_chosen(nights: Path, chosen: dict[str, object], images: int) -> None:
    whole, inner = (steelflow.open_report(place, **chosen).collect() for place in (nights, nights / "reports"))
    assert whole.height == images
    assert_frame_equal(whole, inner.select(whole.columns), check_row_order=False)


def test_one_file_can_be_opened(photos: Path, tmp_path: Path) -> None:
    result = steelflow.inspect(photos, out=tmp_path / "report")
    assert steelflow.open_report(result.files[0]).collect().height == 18


def test_a_report_that_is_not_there_is_an_error_of_ours(nights: Path, tmp_path: Path) -> None:
    with pytest.raises(steelflow.errors.ReportError, match="holds no reports"):
        steelflow.open_report(tmp_path)
    with pytest.raises(steelflow.errors.StoreError, match="no such folder"):
        steelflow.open_report(tmp_path / "gone")
    for place in (nights, nights / "reports"):
        with pytest.raises(steelflow.errors.ReportError, match="no reports for these nights"):
            steelflow.open_report(place, dates="2020-01-01")
    with pytest.raises(steelflow.errors.ConfigError, match="write a date as"):
        steelflow.open_report(nights, dates="18.11.2026")


def test_a_report_in_s3_has_the_same_rows(
    nights: Path, embedded: StoreSettings, fresh_bucket: Callable[[], S3Store]
) -> None:
    store = fresh_bucket()
    for path in nights.rglob("*.parquet"):
        store.put(f"plant/{path.relative_to(nights)}", path)
    found = steelflow.open_report(f"{store.uri}/plant", dates=NIGHT, settings=steelflow.Settings(store=embedded))
    expected = steelflow.open_report(nights, dates=NIGHT).collect()
    assert_frame_equal(found.collect().select(expected.columns), expected, check_row_order=False)


def test_an_embedded_store_serves_a_lazy_frame_until_python_ends(photos: Path, tmp_path: Path) -> None:
    code = f"""
import steelflow
settings = steelflow.Settings()
print(steelflow.inspect({str(photos)!r}, out="s3://steelflow-reports/some").images)
rows = steelflow.open_report("s3://steelflow-reports/some")
print(rows.select("label").collect().height)
print(steelflow.open_registry().champion(), steelflow.open_labels().current().height)
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["18", "18", "None", "0"]
    assert not (tmp_path / ".steelflow" / "s3" / "server.json").exists()


def test_nights_of_a_report_without_nights_are_refused(photos: Path, tmp_path: Path) -> None:
    """`inspect` knows no nights: a filter by them must not answer with no rows, as if nothing had been found."""
    steelflow.inspect(photos, out=tmp_path / "report")
    with pytest.raises(steelflow.errors.ReportError, match="its rows have no date"):
        steelflow.open_report(tmp_path / "report", dates=NIGHT)
    with pytest.raises(steelflow.errors.ReportError, match="leave `lines` out"):
        steelflow.open_report(tmp_path / "report", lines="L1")
