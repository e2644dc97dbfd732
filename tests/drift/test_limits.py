"""Every decision of the drift check at its limit: just below, exactly there, and just above."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from nights import DAY, DIGEST, night_rows, put_report

from steelflow.config import DriftSettings
from steelflow.drift import accept, build_profile, check_night
from steelflow.drift.check import judge_nights, night_samples
from steelflow.drift.compare import LineReference
from steelflow.drift.reading import Reading
from steelflow.drift.reference_profile import parse_profile
from steelflow.drift.references import Fixed
from steelflow.drift.sample import COLUMNS, Sample, readable, sample, thinned
from steelflow.drift.signals import SIGNALS, fixed_thresholds
from steelflow.drift.signals.rows import LineRows
from steelflow.drift.sources import profile_from
from steelflow.drift.verdict import LineVerdict, NightVerdict, Verdict, decide
from steelflow.errors import ConfigError, DriftError
from steelflow.store.local import LocalStore

FIXED = fixed_thresholds({})
PROFILE = build_profile(night_rows(1500, seed=100).with_columns(line=pl.lit("L1")), DIGEST)


@pytest.fixture
def report(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "report", create=True)


def day(number: int) -> dt.date:
    return DAY + dt.timedelta(number)


def reading(share: float, *, breach: bool | None = None, severe: bool = False, signal: str = "brightness") -> Reading:
    return Reading(
        line="L1",
        signal=signal,
        family="quality",
        value=share,
        threshold=1.0,
        fixed=1.0,
        bootstrapped=0.1,
        breach=share > 1 if breach is None else breach,
        severe=severe,
        p_value=None,
        text=f"{signal} moved",
    )


@pytest.fixture(scope="module")
def reference() -> LineReference:
    return LineReference(night_rows(1500, seed=100, coils=0))


def test_a_value_at_its_threshold_is_no_breach_and_one_at_the_severe_limit_is_severe(reference: LineReference) -> None:
    night = night_rows(seed=1, light=0.6)
    value = {one.signal: one.value for one in reference.compare("L1", night, FIXED, 2)}["brightness"]

    def at(fixed: float) -> Reading:
        found = reference.compare("L1", night, FIXED | {"brightness": fixed}, 2)
        return next(one for one in found if one.signal == "brightness")

    assert (at(value).breach, at(value).share) == (False, 1)
    assert at(np.nextafter(value, 0)).breach
    assert at(value / 2).severe  # halving is exact
    assert not at(np.nextafter(value / 2, np.inf)).severe


def test_the_larger_of_both_thresholds_counts(reference: LineReference) -> None:
    low = reference.compare("L1", night_rows(seed=1), dict.fromkeys(SIGNALS, 1e-12), 2)
    high = reference.compare("L1", night_rows(seed=1), dict.fromkeys(SIGNALS, 99.0), 2)
    assert all(one.threshold == max(one.fixed, one.bootstrapped) for one in low)
    spread = {one.signal for one in low if one.bootstrapped > one.fixed}
    assert spread >= {"brightness", "class_share", "confidence", "novel", "embedding"}  # other signals may not have one
    assert all(one.threshold == one.fixed > one.bootstrapped for one in high)


@pytest.mark.parametrize(
    ("window", "breaches", "earlier", "verdict"),
    [
        (3, 2, [], "warn"),
        (3, 2, [False, False], "warn"),
        (3, 2, [True, False], "alarm"),
        (3, 2, [True, False, False], "warn"),
        (3, 3, [False, True], "warn"),
        (3, 3, [True, True], "alarm"),
        (3, 3, [True, True, False], "warn"),
        (1, 1, [], "alarm"),
        (1, 2, [True, True], "warn"),
    ],
)
def test_breaches_are_counted_in_the_window(window: int, breaches: int, earlier: list[bool], verdict: Verdict) -> None:
    settings = DriftSettings(window=window, breaches=breaches)
    assert decide([reading(1.1)], earlier, settings)[0] == verdict
    assert decide([reading(1.0)], earlier, settings)[0] == "none"
    assert decide([], earlier, settings) == ("none", "")


def test_one_severe_breach_among_others_alarms_and_the_largest_share_is_named() -> None:
    found = [reading(1.1), reading(2.0, severe=True, signal="contrast"), reading(0.4, signal="energy")]
    verdict, reason = decide(found, [], DriftSettings())
    assert verdict == "alarm"
    assert reason.startswith("contrast is at 2.0 times its threshold, ")
    assert decide([reading(0.4), reading(0.7, signal="energy")], [], DriftSettings())[1].endswith("energy at 70%")
    assert decide([reading(0.4, signal="class_mix")], [], DriftSettings())[1].endswith("threshold: class mix at 40%")
    assert decide([reading(-0.4)], [], DriftSettings())[1].endswith("at 0%"), "a fall where a rise is looked for"


@pytest.mark.parametrize(
    ("lines", "night"),
    [
        (["none", "alarm", "warn"], "alarm"),
        (["none", "warn", "insufficient"], "warn"),
        (["insufficient", "none"], "none"),
        (["insufficient", "insufficient"], "insufficient"),
        ([], "insufficient"),
    ],
)
def test_a_night_is_as_bad_as_its_worst_line(lines: list[Verdict], night: Verdict) -> None:
    found = [LineVerdict(line=f"L{i}", verdict=verdict, reason="why", images=1) for i, verdict in enumerate(lines)]
    assert NightVerdict(date=DAY, model_digest=DIGEST, lines=tuple(found)).verdict == night


def test_readings_of_all_lines_are_told_from_the_largest_share_down() -> None:
    lines = [
        LineVerdict(line="L1", verdict="warn", reason="a", images=1, readings=(reading(0.5), reading(1.2))),
        LineVerdict(line="L2", verdict="warn", reason="b", images=1, readings=(reading(1.5), reading(3.0))),
        LineVerdict(line=None, verdict="none", reason="c", images=1, readings=(reading(0.9),)),
    ]
    night = NightVerdict(date=DAY, model_digest=DIGEST, lines=tuple(lines))
    assert [one.share for one in night.signals] == [3.0, 1.5, 1.2, 0.9, 0.5]
    assert [one.share for one in lines[1].breaches] == [3.0, 1.5]
    assert len(night.reasons) == 3 + 2
    assert night.reasons[-2:] == ["L1: a", "L2: b"]


@pytest.mark.parametrize(("least", "verdict"), [(600, "none"), (601, "insufficient")])
def test_as_many_images_as_are_needed_are_enough(report: LocalStore, least: int, verdict: str) -> None:
    put_report(report, DAY, "L1", night_rows(600, seed=1))
    assert check_night(report, DAY, DriftSettings(min_images=least), DIGEST, PROFILE).verdict == verdict


@pytest.mark.parametrize(("least", "accepted"), [(1200, True), (1201, False)])
def test_as_many_images_as_a_reference_needs_are_enough(report: LocalStore, least: int, accepted: bool) -> None:
    for night in range(2):
        put_report(report, day(night), "L1", night_rows(600, seed=night))
    nights = [day(0), day(1)]
    if accepted:
        assert accept(report, DIGEST, nights, least, who="ann", reason="a test") == ["L1"]
        (kept,) = (info.key for info in report.list("drift/accepted/") if info.key.endswith(".parquet"))
        profile = parse_profile(report.get(kept), kept)
        assert (profile.images, profile.nights) == ({"L1": 1200}, [str(one) for one in nights])
    else:
        with pytest.raises(DriftError, match="no line has 1201 images"):
            accept(report, DIGEST, nights, least, who="ann", reason="a test")


def test_accepting_needs_both_a_name_and_a_reason(report: LocalStore) -> None:
    put_report(report, DAY, "L1", night_rows(600))
    for who, reason in (("", "new lamps"), (" ", "new lamps"), ("ann", "")):
        with pytest.raises(DriftError, match="needs a name and a reason"):
            accept(report, DIGEST, [DAY], 500, who=who, reason=reason)
    assert not list(report.list("drift/"))


@pytest.mark.parametrize(("least", "nights"), [(200, 2), (201, 3), (300, 3)])
def test_first_nights_grow_until_they_are_enough_nights_and_images(report: LocalStore, least: int, nights: int) -> None:
    """Two nights of 100 images are asked for: the number of images decides how many nights are taken."""
    settings = DriftSettings(min_images=least, reference_nights=2)
    for number in range(4):
        put_report(report, day(number), "L1", night_rows(100, seed=number))
        check_night(report, day(number), settings, DIGEST)
    (kept,) = (info.key for info in report.list("drift/references/"))
    assert parse_profile(report.get(kept), kept).images == {"L1": 100 * nights}
    put_report(report, day(4), "L1", night_rows(600, seed=9))
    assert check_night(report, day(4), settings, DIGEST).verdict == "none"


def test_a_night_without_readable_images_of_the_model_is_no_part_of_the_reference(report: LocalStore) -> None:
    put_report(report, day(0), "L1", night_rows(600, digest="e" * 64))
    found = check_night(report, day(0), DriftSettings(), DIGEST)
    assert found.lines[0].images == 0
    assert "0 of 3" in found.lines[0].reason
    assert not list(report.list("drift/references/"))
    put_report(report, day(1), "L1", night_rows(600))
    assert "1 of 3" in check_night(report, day(1), DriftSettings(), DIGEST).lines[0].reason


def test_a_night_is_sampled_from_the_files_of_its_line_and_model(report: LocalStore) -> None:
    put_report(report, DAY, "L1", night_rows(300, seed=1), unit="a")
    put_report(report, DAY, "L1", night_rows(200, seed=2), unit="b")
    put_report(report, DAY, "L1", night_rows(70, seed=3, digest="e" * 64), unit="c")
    put_report(report, DAY, "L2", night_rows(50, seed=4))
    put_report(report, day(1), "L1", night_rows(900, seed=5))
    found = night_samples(report, DAY, DIGEST)
    assert {line: (one.images, one.rows.height) for line, one in found.items()} == {"L1": (500, 500), "L2": (50, 50)}
    assert set(found["L1"].rows["date"]) == {DAY}


def test_breaches_of_nights_before_are_those_of_the_line() -> None:
    """Only the line that breached the night before alarms; the other one warns."""
    profile = parse_profile(build_profile(night_rows(1500, seed=100), DIGEST), "a test")
    settings = DriftSettings(severe=100)
    calm, dark = (night_rows(seed=1, light=light) for light in (1.0, 0.85))

    def night(**rows: pl.DataFrame) -> dict[str | None, Sample]:
        return {line: Sample(one, one.height) for line, one in rows.items()}

    nights = [(day(0), night(L1=dark, L2=calm)), (day(1), night(L1=dark, L2=dark)), (day(2), night(L1=calm, L2=calm))]
    found = judge_nights(nights, Fixed(profile).find, DIGEST, settings)
    assert [[line.verdict for line in one.lines] for one in found] == [
        ["warn", "none"],
        ["alarm", "warn"],
        ["none", "none"],
    ]


@pytest.mark.parametrize(
    ("profile_lines", "asked", "rows"),
    [
        (("L1", "L2"), "L1", 100),
        (("L1", "L2"), "L3", None),
        (("L1", "L2"), None, 300),
        ((None,), "L1", 100),
        ((None,), None, 100),
        ((None, "L2"), "L1", None),
        ((None, "L2"), None, 100),
    ],
)
def test_a_line_is_compared_with_its_own_rows_or_with_all_where_there_are_no_lines(
    profile_lines: tuple[str | None, ...], asked: str | None, rows: int | None
) -> None:
    parts = [
        night_rows(100 * (i + 1), seed=i).with_columns(line=pl.lit(line, pl.String))
        for i, line in enumerate(profile_lines)
    ]
    found = parse_profile(build_profile(pl.concat(parts), DIGEST), "a test").line(asked)
    assert (None if found is None else found.height) == rows


@pytest.mark.parametrize("coils", [4, 5])
def test_five_coils_are_the_fewest_that_are_drawn(coils: int) -> None:
    rows = night_rows(200, coils=coils)
    assert LineRows(rows).coils == (coils if coils >= 5 else 0)
    assert len(set(LineRows(rows).groups)) == (coils if coils >= 5 else 200)


@pytest.mark.parametrize(("without", "drawn"), [(100, True), (101, False)])
def test_coils_are_drawn_where_half_of_the_rows_have_one(without: int, drawn: bool) -> None:
    gone = pl.int_range(pl.len()) < without
    rows = night_rows(200, coils=8).with_columns(coil=pl.when(gone).then(None).otherwise("coil"))
    found = LineRows(rows)
    assert found.coils == (8 + without if drawn else 0)
    assert len(set(found.groups[:without])) == without, "a row without a coil is a group of its own"


def test_a_coil_of_another_night_is_another_coil() -> None:
    nights = [night_rows(100, seed=1, coils=6).with_columns(date=pl.lit(day(number))) for number in range(2)]
    assert LineRows(pl.concat(nights)).coils == 12


@pytest.mark.parametrize(("pictures", "compared"), [(299, False), (300, True)])
def test_three_hundred_pictures_tell_what_is_unfamiliar(pictures: int, compared: bool) -> None:
    rows = night_rows(pictures, seed=3)
    twice = pl.concat([rows, rows])  # copies of a picture are one picture
    found = LineReference(twice).compare("L1", night_rows(seed=1), FIXED, 2)
    assert ("unfamiliar" in {one.signal for one in found}) == compared


def test_embeddings_of_another_width_are_not_compared(reference: LineReference) -> None:
    night = night_rows(seed=1)
    wider = night.with_columns(embedding=pl.concat_list("embedding", pl.lit([0.5], night["embedding"].dtype)))
    mixed = pl.concat([night.head(300), wider.tail(300)])
    for one in (wider, mixed):
        assert "embedding" not in {found.signal for found in reference.compare("L1", one, FIXED, 2)}
    assert "embedding" in {found.signal for found in reference.compare("L1", night, FIXED, 2)}


def test_the_images_of_the_class_that_grew_stand_out() -> None:
    """Not those of the class with the most images, nor of the class that fell most."""
    signal = SIGNALS["class_share"](LineRows(night_rows(1500, seed=100, mix=(6, 1, 3))))
    night = night_rows(seed=1, mix=(5, 3, 1))
    flags = signal.standing_out(LineRows(night))
    assert flags is not None
    assert set(night.filter(flags)["label"]) == {"patches"}
    assert set(night.filter(~flags)["label"]) == {"crazing", "scratches"}


def test_a_rise_of_confidence_or_a_fall_of_novelty_is_no_drift(reference: LineReference) -> None:
    night = night_rows(seed=1).with_columns(confidence=pl.lit(1.0, pl.Float32), novel=pl.lit(False))
    found = {one.signal: one for one in reference.compare("L1", night, FIXED, 2)}
    for name in ("confidence", "novel"):
        assert found[name].value < 0
        assert not found[name].breach


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan")])
def test_a_threshold_is_above_zero(threshold: float) -> None:
    with pytest.raises(ConfigError, match="must be above 0"):
        fixed_thresholds({"brightness": threshold})
    assert fixed_thresholds({"brightness": 1e-9})["brightness"] == 1e-9


@pytest.mark.parametrize("column", ["label", "confidence", "brightness", "contrast", "sharpness", "saturation"])
def test_a_row_that_lacks_a_figure_is_not_readable(column: str) -> None:
    rows = night_rows(10).with_columns(
        pl.when(pl.int_range(pl.len()) < 3).then(None).otherwise(column).alias(column),
        status=pl.when(pl.int_range(pl.len()) == 9).then(pl.lit("failed")).otherwise(pl.lit("ok")),
    )
    assert readable(rows).height == 6
    if column != "label":
        assert readable(night_rows(10).with_columns(pl.lit(float("nan"), pl.Float32).alias(column))).is_empty()


@pytest.mark.parametrize("most", [9, 10, 11])
def test_a_sample_has_as_many_rows_as_asked(most: int) -> None:
    rows = night_rows(10)
    found = thinned(rows, most)
    assert found.height == min(most, 10)
    assert found["object_key"].n_unique() == found.height


def test_a_reference_is_of_one_model() -> None:
    def samples(**digests: str) -> dict[str | None, Sample]:
        return {
            line: Sample(night_rows(20, digest=digest).with_columns(line=pl.lit(line)), 20)
            for line, digest in digests.items()
        }

    found = profile_from([(day(0), samples(L1=DIGEST, L2=DIGEST)), (day(1), samples(L1=DIGEST))], "here")
    assert (found.model_digest, found.images) == (DIGEST, {"L1": 40, "L2": 20})
    with pytest.raises(DriftError, match="here: made by 2 models"):
        profile_from([(day(0), samples(L1=DIGEST)), (day(1), samples(L1="e" * 64))], "here")


def test_a_reading_tells_how_far_over_it_is() -> None:
    assert "times over" not in reading(1.0).sentence
    assert reading(1.5).sentence == "L1: brightness moved (threshold 1.00), 1.5 times over"
    points = dataclasses.replace(reading(0.2, signal="novel"), threshold=0.1, breach=True, line=None)
    assert points.sentence == "all images: novel moved (threshold 10.0 points), 2.0 times over"
    assert points.to_dict()["share_of_breach"] == points.share == 2


def test_a_sample_keeps_no_text_of_the_rows_that_it_left_out() -> None:
    frames = [
        pl.DataFrame({"object_key": [f"{'folder/' * 40}{number}-{row}" for row in range(100)], "ordinal": range(100)})
        for number in range(40)
    ]
    rows = [
        frame.select(pl.col(n) if n in frame.columns else pl.lit(None).alias(n) for n in COLUMNS) for frame in frames
    ]
    drawn = sample((one.cast(COLUMNS) for one in rows), 20).rows["object_key"]
    texts = drawn.to_arrow(compat_level=pl.CompatLevel.newest())
    held = sum(buffer.size for buffer in texts.buffers() if buffer is not None)
    assert held < 10 * sum(len(text) for text in drawn)
