"""Nights against their reference: each a clear verdict, with its reason."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from nights import DAY, DIGEST, night_rows, put_report
from plants import snapshot

from steelflow.config import DriftSettings, LimitSettings, StoreSettings
from steelflow.drift import NightVerdict, build_profile, check_night, drift_table, write_explanation
from steelflow.drift.compare import LineReference
from steelflow.drift.reference_profile import MOST_ROWS, parse_profile
from steelflow.drift.sample import COLUMNS, sample
from steelflow.drift.signals import SIGNALS, fixed_thresholds
from steelflow.drift.verdict import decide
from steelflow.errors import ConfigError, DriftError
from steelflow.store import Store, open_store
from steelflow.store.local import LocalStore

FIXED = fixed_thresholds({})


@pytest.fixture
def report(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "report", create=True)


@pytest.fixture(scope="module")
def profile() -> bytes:
    rows = pl.concat([night_rows(seed=seed) for seed in range(100, 103)])
    return build_profile(rows.with_columns(line=pl.lit("L1")), DIGEST)


def day(number: int) -> dt.date:
    return DAY + dt.timedelta(number)


def check(report: Store, number: int, reference: bytes | None, **settings: object) -> NightVerdict:
    return check_night(report, day(number), DriftSettings.model_validate(settings), DIGEST, reference)


def test_a_night_without_drift(report: LocalStore, profile: bytes) -> None:
    put_report(report, DAY, "L1", night_rows(seed=1))
    verdict = check(report, 0, profile)
    assert verdict.verdict == "none"
    assert verdict.reasons == []
    assert {one.signal for one in verdict.signals} == set(SIGNALS)
    assert verdict.lines[0].images == 600
    assert verdict.lines[0].reference_images == 1800


@pytest.mark.parametrize(
    ("change", "signal"),
    [({"light": 0.6}, "brightness"), ({"mix": (0.2, 1, 3)}, "class_mix"), ({"strange": 0.1}, "unfamiliar")],
)
def test_what_moved_is_named(report: LocalStore, profile: bytes, change: dict[str, object], signal: str) -> None:
    for number in range(2):
        put_report(report, day(number), "L1", night_rows(seed=number, **change))  # type: ignore[arg-type]
        put_report(report, day(number), "L2", night_rows(seed=50 + number))
    check(report, 0, profile)
    verdict = check(report, 1, profile)
    assert verdict.verdict == "alarm"
    by_line = {one.line: one for one in verdict.lines}
    assert signal in {one.signal for one in by_line["L1"].breaches}
    assert by_line["L2"].verdict == "insufficient"  # the profile knows L1 alone
    assert verdict.reasons[0].startswith("L1: ")
    assert "times over" in verdict.reasons[0]


def test_a_single_breach_warns_and_the_second_of_three_alarms(report: LocalStore, profile: bytes) -> None:
    once = {"brightness": 0.08}  # between one and two times over for a shift of a tenth of the light
    lights = (1.0, 0.97, 1.0, 0.97)
    for number, light in enumerate(lights):
        put_report(report, day(number), "L1", night_rows(seed=number, light=light))
    found = [check(report, number, profile, thresholds=once, severe=100).verdict for number in range(4)]
    values = drift_table(report).filter(pl.col("signal") == "brightness").sort("date")["breach"].to_list()
    assert values == [False, True, False, True]
    assert found == ["none", "warn", "none", "alarm"]


def test_the_window_rule() -> None:
    settings = DriftSettings()
    reference = LineReference(night_rows(1500, seed=100))
    breach = reference.compare("L1", night_rows(seed=1, light=0.85), FIXED, severe=100)
    calm = reference.compare("L1", night_rows(seed=1), FIXED, severe=100)
    assert decide(calm, [True, True], settings)[0] == "none"  # a calm night does not alarm for the ones before it
    assert decide(breach, [], settings)[0] == "warn"
    assert decide(breach, [True, False, False], settings)[0] == "warn"  # too long ago
    assert decide(breach, [False, True, False], settings)[0] == "alarm"
    severe = reference.compare("L1", night_rows(seed=1, light=0.5), FIXED, severe=2)
    assert decide(severe, [], settings)[0] == "alarm"


def test_nights_of_another_model_do_not_count_as_breaches(report: LocalStore, profile: bytes) -> None:
    put_report(report, day(0), "L1", night_rows(seed=0, light=0.85, digest="e" * 64))
    other = build_profile(night_rows(1800, seed=9, digest="e" * 64), "e" * 64)
    check_night(report, day(0), DriftSettings(severe=100), "e" * 64, other)
    put_report(report, day(1), "L1", night_rows(seed=1, light=0.85))
    assert check(report, 1, profile, severe=100).verdict == "warn"


def test_too_few_images(report: LocalStore, profile: bytes) -> None:
    put_report(report, DAY, "L1", night_rows(120))
    verdict = check(report, 0, profile)
    assert verdict.verdict == "insufficient"
    assert "120 readable images" in verdict.reasons[0]
    assert drift_table(report)["verdict"].to_list() == ["insufficient"]


def test_first_nights_become_the_reference(report: LocalStore) -> None:
    for number in range(4):
        put_report(report, day(number), "L1", night_rows(seed=number))
    reasons = [check(report, number, None).reasons for number in range(3)]
    assert [reason[0].rpartition(", ")[2] for reason in reasons] == ["1 of 3", "2 of 3", "3 of 3"]
    verdict = check(report, 3, None)
    assert (verdict.verdict, verdict.lines[0].reference_images) == ("none", 1800)


def test_a_night_that_is_run_again_is_counted_once(report: LocalStore) -> None:
    put_report(report, DAY, "L1", night_rows(seed=0))
    check(report, 0, None)
    before = snapshot(report.root)
    put_report(report, DAY, "L1", night_rows(700, seed=0))
    assert "1 of 3" in check(report, 0, None).reasons[0]
    (key,) = (name for name in before if name.startswith("drift/references/"))
    rows = parse_profile((report.root / key).read_bytes(), key).rows
    assert rows.height == 700
    for number in (1, 2):
        put_report(report, day(number), "L1", night_rows(seed=number))
        check(report, number, None)
    grown = (report.root / key).read_bytes()
    put_report(report, DAY, "L1", night_rows(900, seed=5))
    assert check(report, 0, None).verdict == "insufficient"  # not compared with itself
    assert (report.root / key).read_bytes() == grown


def test_a_line_that_was_never_seen_gets_a_reference_of_its_own(report: LocalStore, profile: bytes) -> None:
    for number in range(4):
        put_report(report, day(number), "L1", night_rows(seed=number))
        put_report(report, day(number), "L9", night_rows(seed=30 + number))
    first = check(report, 0, profile)
    assert first.verdict == "none"  # L1 has a verdict
    assert first.reasons == [
        "L9: the model's reference does not know this line (run `steelflow nightly` for 2 more nights): "
        "this night is part of it, 1 of 3"
    ]
    for number in (1, 2):
        check(report, number, profile)
    assert [one.verdict for one in check(report, 3, profile).lines] == ["none", "none"]


def test_a_reference_without_lines_serves_for_all(report: LocalStore) -> None:
    put_report(report, DAY, "L1", night_rows(seed=1))
    assert check(report, 0, build_profile(night_rows(1500, seed=9), DIGEST)).verdict == "none"


def test_a_night_without_images(report: LocalStore, profile: bytes) -> None:
    verdict = check(report, 0, profile)
    assert (verdict.verdict, verdict.reasons) == ("insufficient", ["no images of that night"])


def test_checked_again_the_table_is_replaced(report: LocalStore, profile: bytes) -> None:
    put_report(report, DAY, "L1", night_rows(seed=1))
    assert check(report, 0, profile).to_dict() == check(report, 0, profile).to_dict()
    table = drift_table(report)
    assert table.height == len(SIGNALS)
    assert table["share"].to_list() == pytest.approx((table["value"] / table["threshold"]).to_list())
    assert drift_table(report, [day(5)]).is_empty()


def test_on_s3(fresh_bucket: Callable[[], Store], profile: bytes) -> None:
    store = fresh_bucket()
    for number in range(2):
        put_report(store, day(number), "L1", night_rows(seed=number, light=0.8))
    assert check(store, 0, profile).verdict == "alarm"
    assert check(store, 1, profile).verdict == "alarm"
    assert set(drift_table(store)["date"]) == {day(0), day(1)}


def test_an_older_report_lacks_signals_and_is_compared_by_the_others(report: LocalStore, profile: bytes) -> None:
    put_report(report, DAY, "L1", night_rows(seed=1).drop("energy", "novel"))
    verdict = check(report, 0, profile)
    assert verdict.verdict == "none"
    assert {one.signal for one in verdict.signals} == set(SIGNALS) - {"energy", "novel"}


def test_constant_figures_do_not_alarm(report: LocalStore) -> None:
    def flat(seed: int, grey: float) -> pl.DataFrame:
        figures = {name: pl.lit(grey, pl.Float32) for name in ("brightness", "contrast", "sharpness")}
        return night_rows(seed=seed).with_columns(**figures, saturation=pl.lit(0.0, pl.Float32))

    put_report(report, DAY, "L1", flat(1, 101))
    assert check(report, 0, build_profile(flat(0, 100), DIGEST)).verdict == "none"


def test_coils_that_differ_raise_the_threshold() -> None:
    """Six coils a night of mostly one class each: the mix jumps from night to night, and that is no drift."""

    def coiled(seed: int) -> pl.DataFrame:
        parts = []
        for coil in range(6):
            mix = [1.0, 1.0, 1.0]
            mix[(seed * 5 + coil * coil) % 3] = 6
            parts.append(night_rows(100, seed * 10 + coil, mix=tuple(mix)).with_columns(coil=pl.lit(f"C{coil}")))
        return pl.concat(parts).with_columns(date=pl.lit(day(seed)))

    rows = pl.concat([coiled(seed) for seed in range(3)])
    by_coil = LineReference(rows).compare("L1", coiled(3), FIXED, 2)
    by_image = LineReference(rows.with_columns(coil=pl.lit(None, pl.String))).compare("L1", coiled(3), FIXED, 2)
    limits = [{one.signal: one.bootstrapped for one in readings}["class_share"] for readings in (by_coil, by_image)]
    assert limits[0] > 2 * limits[1]


def test_thresholds_can_be_set(report: LocalStore, profile: bytes) -> None:
    put_report(report, DAY, "L1", night_rows(seed=1, light=0.8))
    calm = check(report, 0, profile, thresholds=dict.fromkeys(SIGNALS, 9.0))
    assert (calm.verdict, {one.fixed for one in calm.signals}) == ("none", {9.0})
    with pytest.raises(ConfigError, match=r"no signal 'brightnes'.*brightness"):
        check(report, 0, profile, thresholds={"brightnes": 1.0})


def test_a_damaged_reference_is_refused_and_nothing_changes(report: LocalStore, profile: bytes) -> None:
    put_report(report, DAY, "L1", night_rows(seed=1))
    before = snapshot(report.root)
    for damaged in (b"", b"PAR1", profile[:-100], report.get(f"reports/date={DAY}/line=L1/unit.parquet")):
        with pytest.raises(DriftError, match="reference"):
            check(report, 0, damaged)
    other = build_profile(night_rows(seed=1, digest="e" * 64), "e" * 64)
    with pytest.raises(DriftError, match="cannot be compared"):
        check(report, 0, other)
    with pytest.raises(DriftError, match="no image classified"):
        build_profile(night_rows(seed=1), "e" * 64)
    assert snapshot(report.root) == before


def test_samples_are_bounded_and_the_same_in_any_order() -> None:
    frames = [night_rows(400, seed=seed) for seed in range(5)]
    drawn = sample(frames, 300)
    assert (drawn.rows.height, drawn.images) == (300, 2000)
    assert sample(reversed(frames), 300).rows.equals(drawn.rows)
    content = build_profile(night_rows(MOST_ROWS + 500), DIGEST)
    assert parse_profile(content, "x").rows.height == MOST_ROWS


def without(profile: bytes, *columns: str) -> bytes:
    """The profile as it would have been written before these columns existed."""
    buffer = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(profile)).drop_columns(columns), buffer)
    return buffer.getvalue()


def test_a_profile_without_one_of_the_columns_loads_and_its_signal_is_not_compared(
    report: LocalStore, profile: bytes
) -> None:
    put_report(report, DAY, "L1", night_rows(seed=1))
    old = without(profile, "energy")
    verdict = check(report, 0, old)
    assert verdict.verdict == "none"
    assert {one.signal for one in verdict.signals} == set(SIGNALS) - {"energy"}
    assert {one.signal for one in check(report, 0, profile).signals} == set(SIGNALS)
    rows = parse_profile(old, "x").rows
    assert dict(rows.schema) == COLUMNS
    assert rows["energy"].null_count() == rows.height == 1800
    assert parse_profile(parse_profile(old, "x").to_bytes(), "x").rows.equals(rows)


def test_a_profile_without_a_column_that_every_one_has_is_refused_by_its_name(profile: bytes) -> None:
    with pytest.raises(DriftError, match=r"^x: a drift reference without coil, contrast; build it again"):
        parse_profile(without(profile, "contrast", "coil"), "x")


def test_the_explanation_is_whole_and_escaped(report: LocalStore, tmp_path: Path, profile: bytes) -> None:
    hostile = "<script>alert(1)</script>\x1b[31m.jpg"
    rows = night_rows(seed=1, light=0.6).with_columns(object_key=pl.lit(hostile))
    rows = rows.with_columns(ordinal=pl.int_range(pl.len(), dtype=pl.Int32))
    put_report(report, DAY, "L1", rows)
    verdict = check(report, 0, profile)
    archive = open_store(str(tmp_path), StoreSettings())
    key = write_explanation(report, archive, verdict, LimitSettings(), profile)
    assert key == f"drift/explanations/date={DAY}.html"
    text = report.get(key).decode()
    assert "brightness moved down" in text
    assert "not available: missing" in text
    assert "<script" not in text
    assert "\x1b" not in text
    assert "http" not in text.replace('http-equiv="', "")
    assert json.dumps(verdict.to_dict())


def test_no_page_for_a_calm_night(report: LocalStore, profile: bytes) -> None:
    put_report(report, DAY, "L1", night_rows(seed=1))
    verdict = check(report, 0, profile)
    assert write_explanation(report, report, verdict, LimitSettings(), profile) is None
