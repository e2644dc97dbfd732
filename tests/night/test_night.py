"""A night is done once, whatever happens; what changes in the archive changes in the report, and nothing else."""

from __future__ import annotations

import datetime as dt
import io
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from plants import FAILED, FOUND, NIGHT, SPEC, UNITS, copied, local_settings, make_plant, rows_of, snapshot

from steelflow.config import LimitSettings, Settings
from steelflow.errors import BucketNotFound, ConfigError, LockHeld, ModelError
from steelflow.night.run import inspect_night
from steelflow.records import Partition
from steelflow.registry import open_registry, resolved
from steelflow.report.layout import night_lock_key, summary_key
from steelflow.report.reader import ReportReader
from steelflow.store import open_store
from steelflow.store.lock import locked
from steelflow.synth import truth


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plant(tmp_path_factory.mktemp("plant"))


@pytest.fixture
def settings(plant: Path, tmp_path: Path) -> Settings:
    return local_settings(copied(plant, tmp_path / "images"), tmp_path / "report")


def reader(settings: Settings) -> ReportReader:
    return ReportReader(open_store(settings.report.uri, settings.store))


def test_every_image_found_is_a_row(settings: Settings) -> None:
    result = inspect_night(settings, NIGHT)
    assert (result.found, result.failed, result.ok) == (FOUND, FAILED, FOUND - FAILED)
    assert (result.done_units, result.skipped_units, result.state) == (UNITS, 0, "complete")
    rows = rows_of(settings)
    assert rows.height == FOUND
    assert rows.filter(pl.col("status") == "failed").height == FAILED
    assert rows.filter((pl.col("status") == "failed") != pl.col("error").is_not_null()).is_empty()
    assert rows.filter((pl.col("status") == "ok") != pl.col("label").is_not_null()).is_empty()
    known = pl.DataFrame([(one.key, one.member) for one in truth(SPEC)], schema=["object_key", "member"], orient="row")
    known = known.filter(pl.col("object_key").str.contains(NIGHT.isoformat()))
    good = rows.filter(pl.col("status") == "ok").select("object_key", "member")
    assert good.sort("object_key", "member").equals(known.sort("object_key", "member"))


def test_rows_say_where_the_image_is_from(settings: Settings) -> None:
    inspect_night(settings, NIGHT)
    rows = rows_of(settings)
    assert set(rows["line"]) == {"L1", "L2"}
    assert set(rows["date"]) == {NIGHT}
    assert set(rows["coil"]) == {f"C{i:04d}" for i in range(1, 5)}
    assert rows.filter(~pl.col("object_key").str.contains("line=" + pl.col("line"), literal=False)).is_empty()


def test_probabilities_and_figures_are_consistent(settings: Settings) -> None:
    inspect_night(settings, NIGHT)
    rows = rows_of(settings).filter(pl.col("status") == "ok")
    classes = [name for name in rows.columns if name.startswith("p_")]
    assert rows.select(pl.sum_horizontal(classes).sub(1).abs().max()).item() < 1e-5
    assert rows.filter(pl.col("confidence") != pl.max_horizontal(classes)).is_empty()
    assert rows.filter(pl.col("margin") > pl.col("confidence")).is_empty()
    assert rows.filter((pl.col("saturation") < 0) | (pl.col("saturation") > 1)).is_empty()
    assert set(rows["width"]) == {200}


def test_second_run_infers_nothing_and_changes_no_object(settings: Settings) -> None:
    first = inspect_night(settings, NIGHT)
    before = snapshot(Path(settings.report.uri))
    second = inspect_night(settings, NIGHT)
    assert (second.done_units, second.skipped_units, second.judged) == (0, UNITS, 0)
    assert (second.found, second.ok, second.failed) == (first.found, first.ok, first.failed)
    assert second.run_record == first.run_record
    assert snapshot(Path(settings.report.uri)) == before


def test_one_added_image_runs_one_unit_again(settings: Settings) -> None:
    inspect_night(settings, NIGHT)
    folder = Path(settings.archive.uri) / "line=L1" / f"date={NIGHT}" / "coil=C0001"
    shutil.copy(next(folder.glob("*_00001.jpg")), folder / "late.jpg")
    result = inspect_night(settings, NIGHT)
    assert (result.done_units, result.skipped_units, result.found) == (1, UNITS - 1, FOUND + 1)
    assert rows_of(settings).height == FOUND + 1


def test_a_replaced_image_replaces_its_row(settings: Settings) -> None:
    inspect_night(settings, NIGHT)
    before = rows_of(settings)
    folder = Path(settings.archive.uri) / "line=L1" / f"date={NIGHT}" / "coil=C0001"
    image, other = (next(folder.glob(f"*_0000{number}.jpg")) for number in (1, 2))
    image.write_bytes(other.read_bytes())
    result = inspect_night(settings, NIGHT)
    after = rows_of(settings)
    assert (result.done_units, result.found, after.height) == (1, FOUND, FOUND)
    changed = before.join(after, on=["object_key", "member", "ordinal"], how="inner", nulls_equal=True)
    differing = changed.filter(pl.col("brightness") != pl.col("brightness_right"))["object_key"].to_list()
    assert differing == [f"line=L1/date={NIGHT}/coil=C0001/{image.name}"]


def test_another_model_does_the_night_again(settings: Settings, tmp_path: Path) -> None:
    inspect_night(settings, NIGHT)
    other = settings.model_copy(update={"archive": settings.archive.model_copy(update={"unit_images": 10})})
    result = inspect_night(other, NIGHT)  # smaller buckets: the old bucket's report must go
    rows = rows_of(settings)
    assert rows.height == FOUND
    assert rows.select("object_key", "member", "ordinal").is_duplicated().sum() == 0
    assert result.done_units > 0


def test_another_template_does_the_night_again(settings: Settings) -> None:
    inspect_night(settings, NIGHT)
    assert set(rows_of(settings)["coil"]) == {f"C{i:04d}" for i in range(1, 5)}
    template = "line={line}/date={date}/{coil}/{name}"
    other = settings.model_copy(update={"archive": settings.archive.model_copy(update={"template": template})})
    result = inspect_night(other, NIGHT)
    assert (result.done_units, result.skipped_units) == (UNITS, 0)
    assert set(rows_of(settings)["coil"]) == {f"coil=C{i:04d}" for i in range(1, 5)}
    assert inspect_night(other, NIGHT).done_units == 0


def test_images_packed_or_renamed_are_not_counted_twice(settings: Settings) -> None:
    inspect_night(settings, NIGHT)
    folder = Path(settings.archive.uri) / "line=L1" / f"date={NIGHT}"
    shard = next(folder.rglob("images.tar*"))
    shard.rename(shard.with_name("renamed." + shard.name.partition(".")[2]))
    result = inspect_night(settings, NIGHT)
    assert (result.found, result.done_units, rows_of(settings).height) == (FOUND, 1, FOUND)
    assert reader(settings).summary()["images"].sum() == FOUND


def test_a_damaged_report_is_made_again(settings: Settings) -> None:
    inspect_night(settings, NIGHT)
    expected = rows_of(settings)
    file = next((Path(settings.report.uri) / "reports").rglob("*.parquet"))
    content = file.read_bytes()
    for damaged in (content[:-2000] + b"\xff" * 1992 + content[-8:], content[: len(content) // 2], b""):
        file.write_bytes(damaged)
        assert inspect_night(settings, NIGHT).done_units == 1
        assert rows_of(settings).equals(expected)


@pytest.mark.parametrize("damage", [None, b"PAR1 and then nothing"])
def test_a_summary_that_is_lost_or_damaged_is_made_again(settings: Settings, damage: bytes | None) -> None:
    inspect_night(settings, NIGHT)
    store = open_store(settings.report.uri, settings.store)
    key = summary_key(Partition("L1", NIGHT))
    before = pl.read_parquet(io.BytesIO(store.get(key)))
    store.delete(key)
    if damage is not None:
        store.put(key, damage)
    assert inspect_night(settings, NIGHT).judged == 0
    assert pl.read_parquet(io.BytesIO(store.get(key))).equals(before)


def test_a_raised_limit_makes_refused_images_again(settings: Settings) -> None:
    tight = settings.model_copy(update={"limits": LimitSettings(image_pixels=100)})
    assert inspect_night(tight, NIGHT).ok == 0
    assert inspect_night(settings, NIGHT).ok == FOUND - FAILED


def test_a_configured_line_that_stands_still_stops_no_other(settings: Settings) -> None:
    night = settings.night.model_copy(update={"lines": ("L1", "L7")})
    result = inspect_night(settings.model_copy(update={"night": night}), NIGHT)
    assert result.found == FOUND // 2
    assert json.loads(Path(str(result.run_record)).read_text())["lines_without_images"] == ["L7"]


def test_a_trial_removes_no_rows(settings: Settings) -> None:
    inspect_night(settings, NIGHT)
    smaller = settings.model_copy(update={"archive": settings.archive.model_copy(update={"unit_images": 10})})
    inspect_night(smaller, NIGHT, limit=1)
    assert rows_of(settings).height == FOUND


def test_reports_of_models_with_other_embeddings_are_read_together(settings: Settings) -> None:
    inspect_night(settings, NIGHT, lines=["L1"])
    folder = Path(settings.report.uri) / "reports" / f"date={NIGHT}" / "line=L1"
    file = next(folder.glob("*.parquet"))
    frame = pl.read_parquet(file).with_columns(pl.col("embedding").arr.to_list().list.head(3).list.to_array(3))
    frame.drop("p_patches").write_parquet(folder / "narrow.parquet")
    rows = reader(settings).images().collect()
    assert rows.height == FOUND // 2 + frame.height
    assert set(rows["embedding"].list.len().drop_nulls()) == {3, 32}


def test_lines_and_limit(settings: Settings) -> None:
    one = inspect_night(settings, NIGHT, lines=["L2"])
    assert one.found == FOUND // 2
    limited = inspect_night(settings, NIGHT, limit=1)
    assert (limited.done_units, limited.skipped_units, limited.state) == (1, UNITS // 2, "limited")
    rest = inspect_night(settings, NIGHT)
    assert (rest.found, rest.state) == (FOUND, "complete")
    assert rows_of(settings).height == FOUND


@pytest.mark.parametrize("limit", [0, 2, 3, 4, 6, 7])
def test_a_limit_counts_units_over_all_lines(settings: Settings, limit: int) -> None:
    result = inspect_night(settings, NIGHT, limit=limit)
    assert result.done_units == min(limit, UNITS)
    assert result.state == ("complete" if limit >= UNITS else "limited")
    record = json.loads(Path(str(result.run_record)).read_text())
    assert record["units"]["pending"] == max(0, UNITS - limit)
    assert result.found == record["judged"] == (rows_of(settings).height if limit else 0)


def test_a_line_that_passes_the_limit_leaves_nothing_for_the_next(settings: Settings) -> None:
    """L1 is inspected whole, for its old report is deleted; the limit is used up by then."""
    inspect_night(settings, NIGHT, lines=["L1"])
    smaller = settings.model_copy(update={"archive": settings.archive.model_copy(update={"unit_images": 10})})
    result = inspect_night(smaller, NIGHT, limit=1)
    assert result.done_units > 1
    assert set(rows_of(settings)["line"]) == {"L1"}
    assert rows_of(settings).height == FOUND // 2
    assert result.state == "limited"


def test_a_unit_that_cannot_be_written_is_named_and_done_by_the_next_run(settings: Settings) -> None:
    first = inspect_night(settings, NIGHT, lines=["L1"])
    file = next((Path(settings.report.uri) / "reports").rglob("*.parquet"))
    lost = pl.read_parquet(file).height
    file.unlink()
    (file / "in the way").mkdir(parents=True)
    result = inspect_night(settings, NIGHT, lines=["L1"])
    assert (result.state, result.done_units, result.judged, result.drift) == ("failed units", 0, 0, None)
    assert [one.partition(":")[0] for one in result.failed_units] == [f"L1/{file.stem}"]
    assert result.found == first.found - lost
    record = json.loads(Path(str(result.run_record)).read_text())
    assert record["units"] == {"done": 0, "skipped": 2, "failed": list(result.failed_units), "pending": 0}
    assert reader(settings).summary()["images"].sum() == first.found - lost
    shutil.rmtree(file)
    mended = inspect_night(settings, NIGHT, lines=["L1"])
    assert (mended.state, mended.done_units, mended.found) == ("complete", 1, first.found)
    assert mended.run_record not in (first.run_record, result.run_record)
    assert reader(settings).summary()["images"].sum() == first.found


def test_a_shard_that_left_the_archive_leaves_the_report(settings: Settings) -> None:
    """There is nothing to inspect then, and yet the summary and the record are of another night."""
    first = inspect_night(settings, NIGHT)
    shard = next((Path(settings.archive.uri) / "line=L1" / f"date={NIGHT}").rglob("images.tar*"))
    shard.unlink()
    second = inspect_night(settings, NIGHT)
    assert (second.done_units, second.skipped_units, second.judged) == (0, UNITS - 1, 0)
    assert second.run_record != first.run_record
    assert second.found == rows_of(settings).height == reader(settings).summary()["images"].sum() < FOUND


def test_the_result_names_the_version_or_else_the_digest(settings: Settings) -> None:
    digest = resolved(settings).digest
    assert inspect_night(settings, NIGHT, limit=1).model == digest[:12]
    registry = open_registry(settings)
    registry.promote(registry.register("steelnet", who="ann", reason="a test"), who="ann", reason="a test")
    assert inspect_night(settings, NIGHT, limit=0).model == "v1"


def test_a_night_without_images_is_recorded_as_empty_once(settings: Settings) -> None:
    result = inspect_night(settings, dt.date(2020, 1, 1))
    assert (result.found, result.done_units, result.state) == (0, 0, "empty")
    files = [path for path in Path(settings.report.uri).rglob("*") if path.is_file()]
    assert [str(path) for path in files if "daily" not in path.parts] == [result.run_record]
    again = inspect_night(settings, dt.date(2020, 1, 1))
    assert (again.run_record, again.new_missing) == (result.run_record, ())


def test_unknown_line_names_those_there_are(settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"L9.*L1, L2"):
        inspect_night(settings, NIGHT, lines=["L9"])


def test_what_is_no_image_is_counted_as_ignored(settings: Settings) -> None:
    folder = Path(settings.archive.uri) / "line=L1" / f"date={NIGHT}"
    (folder / "notes.txt").write_text("roll changed at 02:10")
    shutil.copy(next((folder / "coil=C0001").glob("*_00001.jpg")), folder / "stray.jpg")
    (Path(settings.archive.uri) / "line=L1" / "not-a-date").mkdir()
    (Path(settings.archive.uri) / "line=L1" / "not-a-date" / "x.jpg").write_bytes(b"x")
    result = inspect_night(settings, NIGHT)
    assert (result.found, result.ignored) == (FOUND + 1, 1)  # the stray image has no coil, but it has a row
    record = json.loads(Path(str(result.run_record)).read_text())
    assert record["ignored_sample"] == [f"line=L1/date={NIGHT}/notes.txt"]
    assert record["unmatched_folders"] == ["line=L1/not-a-date/"]


def test_run_record_is_written_last_and_adds_up(settings: Settings) -> None:
    result = inspect_night(settings, NIGHT)
    record_path = Path(str(result.run_record))
    record = json.loads(record_path.read_text())
    assert record["found"] == record["ok"] + record["failed"] == FOUND
    assert record["units"] == {"done": UNITS, "skipped": 0, "failed": [], "pending": 0}
    files = [path for path in Path(settings.report.uri).rglob("*") if path.is_file()]
    assert max(files, key=lambda path: path.stat().st_mtime_ns) == record_path


def test_summary_agrees_with_the_rows(settings: Settings) -> None:
    inspect_night(settings, NIGHT)
    summary, rows = reader(settings).summary(), rows_of(settings)
    assert summary["images"].sum() == FOUND
    counted = rows.group_by("line", "coil", "status", "label").len("n")
    both = summary.join(counted, on=["line", "coil", "status", "label"], nulls_equal=True, how="full")
    assert both.filter(pl.col("images") != pl.col("n")).is_empty()
    assert both.height == summary.height == counted.height


def test_queries_of_the_reader(settings: Settings) -> None:
    inspect_night(settings, NIGHT)
    inspect_night(settings, NIGHT + dt.timedelta(days=1))
    ask = reader(settings)
    assert ask.nights() == [NIGHT, NIGHT + dt.timedelta(days=1)]
    assert ask.failures([NIGHT]).height == FAILED
    assert ask.coil(NIGHT, "L1", "C0002").height >= 12
    assert ask.defect_counts([NIGHT])["share"].sum() == pytest.approx(2.0)  # one per line
    assert ask.images([NIGHT], ["L1"]).collect().height == FOUND // 2


def test_other_tools_read_the_folder(settings: Settings) -> None:
    import duckdb
    import pandas as pd

    inspect_night(settings, NIGHT)
    folder = Path(settings.report.uri) / "reports"
    assert pl.scan_parquet(folder).filter(line="L1", date=NIGHT).select(pl.len()).collect().item() == FOUND // 2
    query = f"select count(*) from read_parquet('{folder}/**/*.parquet', hive_partitioning=true) where line = 'L1'"
    with duckdb.connect() as connection:
        counted = connection.sql(query).fetchall()
    assert counted == [(FOUND // 2,)]
    frame = pd.read_parquet(folder)
    assert (len(frame), set(frame["line"])) == (FOUND, {"L1", "L2"})


def test_two_runs_of_one_night_do_not_overlap(settings: Settings) -> None:
    store = open_store(settings.report.uri, settings.store, create=True)
    with locked(store, night_lock_key(NIGHT), "the night"), pytest.raises(LockHeld, match="already being done"):
        inspect_night(settings, NIGHT)
    assert inspect_night(settings, NIGHT).found == FOUND  # and the next one is not kept out


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"archive": {"uri": "/nowhere/at/all"}}, BucketNotFound, "no such folder"),
        ({"archive": {"template": "line={line}/date={dote}/{name}"}}, ConfigError, "dote"),
        ({"model": {"ref": "no-such-model"}}, ModelError, "no-such-model"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_written(
    settings: Settings, change: dict[str, dict[str, str]], error: type[Exception], says: str
) -> None:
    bad = settings.model_copy(
        update={name: getattr(settings, name).model_copy(update=values) for name, values in change.items()}
    )
    with pytest.raises(error, match=says) as caught:
        inspect_night(bad, NIGHT)
    assert "\n" not in str(caught.value)
    assert not Path(settings.report.uri).exists()
