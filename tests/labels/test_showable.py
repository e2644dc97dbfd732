"""The queue proposes only what can be shown."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import polars as pl
import pytest
from plants import NIGHT, local_settings, make_plant

from steelflow.archive.fetch import ImageRef, fetch_images
from steelflow.config import Settings
from steelflow.images.decode import decode
from steelflow.labels import queue
from steelflow.labels.showable import Showable
from steelflow.night.run import inspect_night
from steelflow.records import Failure
from steelflow.report.reader import ReportReader
from steelflow.store.local import LocalStore

REFERENCE = ["object_key", "member", "ordinal"]


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("shown")
    settings = local_settings(make_plant(folder), folder / "report")
    inspect_night(settings, NIGHT)
    return settings


@pytest.mark.parametrize("lost", ["nothing", "loose images", "a shard", "the bytes of loose images", "all"])
def test_what_is_gone_or_damaged_is_not_proposed(inspected: Settings, tmp_path: Path, lost: str) -> None:
    shutil.copytree(inspected.archive.uri, tmp_path / "images")
    archive = LocalStore(tmp_path / "images")
    rows = (
        ReportReader(LocalStore(Path(inspected.report.uri))).images([NIGHT]).filter(pl.col("status") == "ok").collect()
    )
    loose = rows.filter(pl.col("member").is_null())["object_key"].unique().sort().to_list()
    shards = rows.filter(pl.col("member").is_not_null())["object_key"].unique().sort().to_list()
    gone = {"loose images": loose[::2], "a shard": shards[:1], "all": loose + shards}.get(lost, [])
    for key in gone:
        archive.delete(key)
    broken = loose[::2] if lost == "the bytes of loose images" else []
    for key in broken:
        archive.put(key, b"\xff\xd8\xff no image")
    showable = Showable(archive, inspected.limits)
    nobody = pl.DataFrame(schema={"object_key": pl.String, "member": pl.String, "ordinal": pl.Int32})
    reader = ReportReader(LocalStore(Path(inspected.report.uri)))
    found = queue(reader, nobody, 12, [NIGHT], None, showable)
    places = [ImageRef(*row) for row in found.select(REFERENCE).iter_rows()]
    for _, data in fetch_images(archive, places, inspected.limits):
        assert not isinstance(data, Failure)
        assert not isinstance(decode(data, inspected.limits), Failure)
    assert found.height == (0 if lost == "all" else 12)
    assert not set(found["object_key"]) & {*gone, *broken}
    assert bool(showable.hidden) == (lost != "nothing" and bool({*gone, *broken})) or not showable.hidden


def test_the_newest_model_is_that_of_the_last_run(inspected: Settings, tmp_path: Path) -> None:
    """Rows that a machine with a clock ten years ahead wrote do not hide those of the model of today."""
    from steelflow.labels.newest import newest_model

    rows = ReportReader(LocalStore(Path(inspected.report.uri))).images([NIGHT])
    other = rows.with_columns(
        model_digest=pl.lit("f" * 64),
        inferred_at=pl.lit(dt.datetime(2036, 11, 1, tzinfo=dt.UTC)).cast(pl.Datetime("us", "UTC")),
    )
    (digest,) = rows.select("model_digest").collect()["model_digest"].unique()
    both = pl.concat(
        [rows.select("model_digest", "inferred_at"), other.select("model_digest", "inferred_at")],
        how="vertical_relaxed",
    )
    assert newest_model(LocalStore(Path(inspected.report.uri)), NIGHT, both) == digest
    assert newest_model(LocalStore(tmp_path, create=True), NIGHT, both) == "f" * 64, "without a record the time counts"
