"""Files of others among the reports break no reader and are not counted."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import polars as pl
import pytest
from plants import NIGHT, make_plant

from steelflow.config import ArchiveSettings, ReportSettings, Settings
from steelflow.drift.check import night_samples
from steelflow.night.housekeeping import tidy
from steelflow.night.run import inspect_night
from steelflow.records import Partition
from steelflow.report.own import own_reports
from steelflow.report.reader import ReportReader
from steelflow.report.summary import write_summary
from steelflow.store.local import LocalStore


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path]:
    """One inspected night, among whose reports others have put their files."""
    folder = tmp_path_factory.mktemp("own")
    settings = Settings(
        home=folder / "home",
        archive=ArchiveSettings(uri=str(make_plant(folder / "plant"))),
        report=ReportSettings(uri=str(folder / "report")),
    )
    inspect_night(settings, NIGHT)
    return settings, folder / "report"


def litter(report: Path) -> set[str]:
    """Files of others, by key."""
    line = next(path for path in (report / "reports" / f"date={NIGHT}").iterdir() if path.is_dir())
    own = next(line.glob("*.parquet"))
    shutil.copy(own, line / f"{own.stem} (copy).parquet")
    shutil.copy(own, line / f"backup-{own.name}")
    (line / "torn.parquet").write_bytes(own.read_bytes()[:500])
    (line / "empty.parquet").write_bytes(b"")
    (line / "_SUCCESS").write_text("")
    (line / "note.txt").write_text("looked at on Monday")
    pl.DataFrame({"a": [1]}).write_parquet(line / "part-0.parquet")
    (report / "reports" / "export.csv").write_text("a,b\n")
    (report / "reports" / "date=soon").mkdir()
    pl.DataFrame({"a": [1]}).write_parquet(report / "reports" / "date=soon" / "x.parquet")
    known = set(own_keys(report))
    return {str(path.relative_to(report)) for path in (report / "reports").rglob("*") if path.is_file()} - known


def own_keys(report: Path) -> list[str]:
    """The reports that the night has written."""
    found = [
        path for name in ("loose*", "shard-*") for path in (report / "reports").glob(f"date=2*/line=*/{name}.parquet")
    ]
    return [str(path.relative_to(report)) for path in found if "(copy)" not in path.name]


def test_readers_drift_and_counts_are_as_before(night: tuple[Settings, Path]) -> None:
    settings, report = night
    store = LocalStore(report)
    reader = ReportReader(store)

    def told() -> tuple[object, ...]:
        rows = reader.images([NIGHT]).collect()
        counts = reader.summary([NIGHT]).select(pl.col("images").sum()).item()
        digest = rows["model_digest"][0]
        samples = {line: one.images for line, one in night_samples(store, NIGHT, digest).items()}
        return rows.height, counts, samples, reader.nights(), reader.failures([NIGHT]).height

    before = told()
    foreign = litter(report)
    assert len(foreign) >= 8
    for line in ("L1", "L2"):
        write_summary(store, Partition(line, NIGHT))
    assert told() == before
    assert not foreign & {info.key for info in own_reports(store, store.list("reports/"))}
    again = inspect_night(settings, NIGHT)
    assert (again.judged, again.found) == (0, before[0])
    assert told() == before


def test_housekeeping_names_them_and_leaves_them(night: tuple[Settings, Path]) -> None:
    settings, report = night
    before = {path for path in (report / "reports").rglob("*") if path.is_file()}
    later = NIGHT + dt.timedelta(days=5)
    for line in ("L1", "L2"):  # retention counts from the newest night
        kept = report / "reports" / f"date={later}" / f"line={line}" / "loose.parquet"
        kept.parent.mkdir(parents=True)
        shutil.copy(next((report / "reports").glob(f"date={NIGHT}/line={line}/loose.parquet")), kept)
    tidied = tidy(
        settings.model_copy(update={"retention": settings.retention.model_copy(update={"report_days": 1})}),
        later,
    )
    left = {path for path in (report / "reports").rglob("*") if path.is_file() and f"date={later}" not in str(path)}
    assert tidied.nights == [NIGHT]
    assert {str(path.relative_to(report)) for path in left} == set(tidied.foreign)
    assert "note.txt" in "".join(tidied.foreign)
    assert "are not steelflow's and were left alone" in tidied.text
    assert before > left
