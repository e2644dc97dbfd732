"""A night becomes the reference only if it is sound, and accuracy is not estimated on images that the model never
saw."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import polars as pl
import pytest
from nights import DAY, DIGEST, night_rows, put_report

from steelflow.config import DriftSettings, LimitSettings
from steelflow.drift import NightVerdict, accept, build_profile, check_night, drift_table, write_explanation
from steelflow.drift.estimate import estimated
from steelflow.drift.reference_profile import profile_of
from steelflow.drift.references import FIRST_NIGHTS, reference_key
from steelflow.store.local import LocalStore


@pytest.fixture
def report(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "report", create=True)


def day(number: int) -> dt.date:
    return DAY + dt.timedelta(number)


def novel(rows: pl.DataFrame, share: float) -> pl.DataFrame:
    return rows.with_columns(novel=pl.int_range(pl.len()) < round(share * rows.height))


def check(report: LocalStore, number: int, **more: object) -> NightVerdict:
    settings = DriftSettings.model_validate({"reference_nights": 1, **more})
    return check_night(report, day(number), settings, DIGEST)


@pytest.mark.parametrize(("share", "most", "sound"), [(0.2, 0.2, True), (0.21, 0.2, False), (0.9, 1.0, True)])
def test_a_night_of_novel_images_does_not_become_the_reference(
    report: LocalStore, share: float, most: float, sound: bool
) -> None:
    put_report(report, DAY, "L%201", novel(night_rows(seed=0), share))
    found = check(report, 0, max_novel=most)
    assert found.verdict == "insufficient"
    assert bool(list(report.list(FIRST_NIGHTS))) == sound
    (reason,) = found.reasons
    kept_out = (
        f"L 1: no reference yet, and this night does not become part of it: {share:.0%} of its images are unlike the "
        "training images, at most 20% may be (drift.max_novel); if the night is normal: "
        f"steelflow accept-drift --date {DAY} --line 'L 1' --reason \"…\""
    )
    assert reason == ("L 1: no reference yet: this night is part of it, 1 of 1" if sound else kept_out)


def test_a_person_can_accept_it_all_the_same(report: LocalStore) -> None:
    for number in range(2):
        put_report(report, day(number), "L1", novel(night_rows(seed=number), 0.9))
        assert check(report, number).verdict == "insufficient"
    accept(report, DIGEST, [DAY], 500, who="ann", reason="another steel")
    assert check(report, 1).verdict == "none"


def test_doubts_about_the_night_keep_it_out_and_a_part_that_turns_out_unsound_leaves(report: LocalStore) -> None:
    settings = DriftSettings(reference_nights=2)
    put_report(report, DAY, "L1", night_rows(seed=0))
    asked: list[int] = []

    def doubts() -> tuple[str, ...]:
        asked.append(1)
        return ("no images of line L2",)

    check_night(report, DAY, settings, DIGEST)
    assert list(report.list(FIRST_NIGHTS))
    put_report(report, DAY, "L3", night_rows(seed=3))
    found = check_night(report, DAY, settings, DIGEST, doubts=doubts)
    assert ["does not become part of it: no images of line L2; if" in reason for reason in found.reasons] == [True] * 2
    assert not list(report.list(FIRST_NIGHTS))
    assert len(asked) == 1, "the night is asked about once, not line by line"


def test_a_complete_reference_needs_no_sound_night(report: LocalStore) -> None:
    put_report(report, DAY, "L1", night_rows(seed=0))
    check(report, 0)
    put_report(report, day(1), "L1", novel(night_rows(seed=1), 0.9))
    found = check_night(report, day(1), DriftSettings(reference_nights=1), DIGEST, doubts=lambda: pytest.fail("asked"))
    assert found.verdict == "alarm"


def test_unsound_nights_of_an_older_version_do_not_count(report: LocalStore) -> None:
    bad = novel(night_rows(seed=0), 0.9).with_columns(date=pl.lit(DAY), line=pl.lit("L1"))
    report.put(reference_key(FIRST_NIGHTS, DIGEST, "L1"), profile_of(bad, DIGEST).to_bytes())
    put_report(report, day(1), "L1", night_rows(seed=1))
    put_report(report, day(2), "L1", night_rows(seed=2))
    assert "this night is part of it, 1 of 1" in check(report, 1).reasons[0]
    assert check(report, 2).verdict == "none"


@pytest.mark.parametrize(("share", "made"), [(0.5, True), (0.51, False)])
def test_accuracy_is_estimated_where_most_images_are_like_the_training_images(share: float, made: bool) -> None:
    found = estimated(novel(night_rows(seed=1), share))
    assert (found.accuracy is not None, found.why_not is None) == (made, made)


def test_an_estimate_without_novelty_or_confidence() -> None:
    rows = night_rows(seed=1)
    assert estimated(rows.with_columns(novel=None)).accuracy == pytest.approx(float(rows["confidence"].mean()))  # type: ignore[arg-type]  # a column of numbers
    assert estimated(rows.with_columns(confidence=None)) == (None, None)
    assert estimated(rows.clear()) == (None, None)


def test_no_place_tells_an_accuracy_of_images_that_the_model_never_saw(report: LocalStore) -> None:
    profile = build_profile(night_rows(1500, seed=9), DIGEST)
    unsure = novel(night_rows(seed=1), 0.78).with_columns(pl.col("confidence") - 0.1)
    put_report(report, DAY, "L1", unsure)
    found = check_night(report, DAY, DriftSettings(), DIGEST, profile)
    (line,) = found.lines
    why = "78% of the images are unlike the training images"
    assert line.accuracy == f"accuracy not estimated: {why}"
    told = json.loads(json.dumps(found.to_dict()))["lines"][0]
    assert (told["estimated_accuracy"], told["not_estimated"]) == (None, why)
    assert drift_table(report)["not_estimated"].unique().to_list() == [why]
    texts = [one.text for one in found.signals if one.signal == "confidence"]
    assert texts[0].startswith("mean confidence fell by 10")
    key = write_explanation(report, report, found, LimitSettings(), profile)
    page = report.get(str(key)).decode().lower()
    assert f"accuracy not estimated: {why}" in page
    assert "estimated accuracy" not in page


def test_a_drift_table_of_an_older_version_is_read(report: LocalStore) -> None:
    put_report(report, DAY, "L1", night_rows(seed=0))
    check(report, 0)
    path = report.root / f"drift/nights/date={DAY}.parquet"
    pl.read_parquet(path, hive_partitioning=False).drop("not_estimated").write_parquet(path)
    assert drift_table(report)["not_estimated"].to_list() == [None]
