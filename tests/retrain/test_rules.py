"""What a retraining decides around the training: whether it is due, on what, and what follows from the gate."""

from __future__ import annotations

import datetime as dt
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from labelled import NOW, label, pictures, retraining
from nights import DAY, night_rows, put_report
from plants import FOUND, NIGHT, local_settings, make_plant, rows_of

from steelflow.config import RetrainSettings, Settings
from steelflow.drift import build_profile, check_night
from steelflow.drift.reference_profile import parse_profile
from steelflow.engine import open_engine
from steelflow.errors import RegistryError
from steelflow.labels import Label, open_labels
from steelflow.models.shipped import SELECTED, resolve
from steelflow.night.run import inspect_night
from steelflow.registry import Version, open_registry
from steelflow.retrain import Gate, due, new_labels, records, retrain
from steelflow.retrain.candidates import Candidate, times
from steelflow.retrain.decision import conclude
from steelflow.retrain.due import not_due
from steelflow.retrain.gate import Comparison
from steelflow.retrain.judging import answers
from steelflow.retrain.material import SHIPPED, Material, gather
from steelflow.retrain.record import RetrainResult, State, last_run, last_snapshot
from steelflow.retrain.reference import recent_reference
from steelflow.retrain.trial import GOLDEN, RECENT, try_out
from steelflow.store import open_store
from steelflow.store.local import LocalStore

OTHER = "ssdc_mininet"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "images").mkdir()
    return local_settings(tmp_path / "images", tmp_path / "reports")


def ruled(settings: Settings, **rules: Any) -> Settings:
    return settings.model_copy(update={"retrain": RetrainSettings(**rules)})


def decided(state: State, hours_ago: float, snapshot: str | None = None) -> RetrainResult:
    started = NOW - dt.timedelta(hours=hours_ago)
    details = {"snapshot": snapshot} if snapshot else {}
    return RetrainResult(id=f"{started:%Y%m%dT%H%M%SZ}", state=state, started_at=started, details=details)  # type: ignore[arg-type]


@pytest.mark.parametrize(("needed", "is_due"), [(11, True), (12, True), (13, False)])
def test_as_many_labels_as_are_asked_for_start_a_retraining(settings: Settings, needed: int, is_due: bool) -> None:
    label(settings, "crazing", 10, 2)
    assert (due(ruled(settings, new_labels=needed)) is not None) == is_due


@pytest.mark.parametrize(("fresh", "waits"), [(59, True), (60, False), (61, False)])
def test_as_many_labels_as_are_needed_are_enough(settings: Settings, fresh: int, waits: bool) -> None:
    rules = ruled(settings, min_labels=60)
    assert (not_due(retraining(rules), [], fresh) is not None) == waits
    assert not_due(retraining(rules, force=True), [], fresh) is None


@pytest.mark.parametrize("hours", [-24 * 3653, -21, 24 * 3653])
def test_a_retraining_that_is_dated_far_in_the_future_holds_up_nothing(settings: Settings, hours: float) -> None:
    rules = ruled(settings, min_labels=2, cooldown_hours=20)
    assert not_due(retraining(rules, trigger="labels"), [decided("refused", hours)], 2) is None


@pytest.mark.parametrize("trigger", ["drift", "labels", "calendar"])
@pytest.mark.parametrize(("hours", "waits"), [(19.99, True), (20, False), (20.01, False)])
def test_the_cooldown_ends_with_its_last_hour(settings: Settings, trigger: str, hours: float, waits: bool) -> None:
    rules = ruled(settings, min_labels=2, cooldown_hours=20)
    before = [decided("skipped", 1), decided("refused", hours), decided("promoted", 100)]
    assert (not_due(retraining(rules, trigger=trigger), before, 2) is not None) == waits
    assert not_due(retraining(rules), before, 2) is None, "a person does not wait"
    assert not_due(retraining(rules, trigger=trigger, force=True), before, 0) is None
    assert not_due(retraining(rules, trigger=trigger), [decided("skipped", 1)], 2) is None


def test_skipped_retrainings_learnt_nothing() -> None:
    before = [decided("skipped", 1, "a"), decided("refused", 2, "b"), decided("promoted", 3, "c")]
    assert last_snapshot(before) == "b"
    assert last_run(before) == NOW - dt.timedelta(hours=2)
    assert last_snapshot(before[2:]) == "c"
    assert (last_snapshot(before[:1]), last_run(before[:1])) == (None, None)


def test_a_changed_label_is_new_and_one_that_any_of_the_snapshots_has_is_not(settings: Settings) -> None:
    labels = open_labels(settings)
    old = label(settings, "crazing", 6)
    first = labels.snapshot()
    labels.write_snapshot(first)
    young = label(settings, "patches", 3, seed=1)
    second = labels.snapshot()
    labels.write_snapshot(second)
    labels.add([Label(old[0], "patches", "bob", "review")])
    youngest = label(settings, "crazing", 1, seed=2)

    def new(*since: str | None) -> set[str]:
        return set(new_labels(labels, labels.snapshot(), *since)["image"])

    assert new() == new(None, None) == new("0" * 64) == {*old, *young, *youngest}
    assert new(first.hash) == new(first.hash, None) == {old[0], *young, *youngest}
    assert new(first.hash, second.hash) == new(None, second.hash) == {old[0], *youngest}


@pytest.mark.parametrize(
    ("images", "new", "often"),
    [
        (100, 0, 1),
        (100, 100, 1),
        (100, 50, 1),
        (300, 75, 2),  # 225 known ones beside 150: new ones are four in ten
        (300, 60, 2),
        (1700, 100, 8),
        (1600, 100, 8),
        (1500, 100, 7),
        (100_000, 100, 8),
    ],
)
def test_new_images_are_shown_until_they_are_a_third(images: int, new: int, often: int) -> None:
    assert times(images, new) == often


def candidate(kind: str, accuracy: float, macro_f1: float) -> Candidate:
    held_out = {"images": 40, "accuracy": accuracy, "macro_f1": macro_f1, "ece": 0.01}
    return Candidate(kind, resolve(OTHER), {"held_out": held_out, "curves": {"epoch": [1, 2]}})


def test_the_better_candidate_has_the_higher_accuracy_then_the_higher_f1() -> None:
    worse, equal, better = candidate("a", 0.9, 0.99), candidate("b", 0.95, 0.8), candidate("c", 0.95, 0.9)
    assert sorted([worse, equal, better], key=lambda one: one.merit, reverse=True) == [better, equal, worse]
    assert better.figures["epochs"] == 2


def gathered(settings: Settings, champion: Version | None = None) -> Material | str:
    run = retraining(settings, champion)
    snapshot = run.labels.snapshot()
    return gather(run, snapshot, snapshot.frame)


@pytest.mark.parametrize(("images", "learnt"), [(4, False), (5, True)])
def test_five_images_of_a_class_are_the_fewest_to_learn_it_from(settings: Settings, images: int, learnt: bool) -> None:
    label(settings, "crazing", 20, 6)
    label(settings, "patches", 20, 6, seed=1)
    label(settings, "scratches", images, 2, seed=2)
    found = gathered(settings)
    assert isinstance(found, Material)
    classes = {"crazing", "patches"} | ({"scratches"} if learnt else set())
    assert set(found.usable.frame["label"]) == set(found.golden.frame["label"]) == classes
    assert "scratches" in set(found.snapshot.frame["label"]), "the snapshot has every label"


@pytest.mark.parametrize(("images", "enough"), [(4, False), (5, True)])
def test_ten_images_are_the_fewest_to_judge_by(settings: Settings, images: int, enough: bool) -> None:
    label(settings, "crazing", 20, 5)
    label(settings, "patches", 20, images, seed=1)
    label(settings, "scratches", 1, 9, seed=2)  # a class that is left out gives no image to judge by
    found = gathered(settings)
    if enough:
        assert isinstance(found, Material)
        assert found.golden.frame.height == 10
        golden = set(found.golden.frame["image"])
        assert not golden & set(found.snapshot.frame["image"])
        assert not golden & set(found.fresh["image"])
        assert found.fresh.height == found.snapshot.frame.height
    else:
        assert "the golden set needs 10 images" in str(found)
        assert open_labels(settings).golden() is None


def test_every_class_of_the_champion_and_of_the_golden_set_has_to_be_learnt_again(settings: Settings) -> None:
    label(settings, "crazing", 20, 6)
    label(settings, "patches", 20, 6, seed=1)
    registry = open_registry(settings)
    shipped = registry.register(SELECTED, who="ann", reason="it ships", data_hash=SHIPPED)
    own = registry.register(OTHER, who="ann", reason="a test", data_hash="d" * 64)
    assert "inclusion (0)" in str(gathered(settings, own))
    assert open_labels(settings).golden() is None, "nothing is frozen when there is too little"
    assert isinstance(gathered(settings, shipped), Material), "another plant has other classes"
    images = label(settings, "scratches", 9, 3, seed=2)
    labels = open_labels(settings)
    golden = labels.golden()
    assert golden is not None
    chosen = pl.concat(
        [golden.frame.select("image", "label"), pl.DataFrame({"image": images[-3:], "label": "scratches"})]
    )
    labels.freeze(chosen, who="ann", reason="a test")
    assert isinstance(gathered(settings), Material)
    labels.add([Label(image, None, "ann", "review") for image in images[:5]])
    assert "scratches (4)" in str(gathered(settings))


def test_two_classes_are_the_fewest(settings: Settings) -> None:
    label(settings, "crazing", 30, 12)
    label(settings, "patches", 4, seed=1)
    assert "patches (4)" in str(gathered(settings))
    label(settings, "patches", 1, 1, seed=2)
    assert "needs 2 images of each class, of one image in five: patches (1)" in str(gathered(settings))
    assert open_labels(settings).golden() is None
    label(settings, "patches", 0, 1, seed=3)
    assert isinstance(gathered(settings), Material)


def test_answers_keep_their_order_over_batches_and_images_that_cannot_be_read(settings: Settings) -> None:
    engine = open_engine(resolve(SELECTED))
    good = list(islice(pictures(), 130))
    alone = [answers(engine, [("x", data)], ["crazing"], settings.limits) for data in good[:3] + good[62:67]]
    data = list(good)
    for place in (1, 64, 129):
        data[place] = b"no image"
    truth = ["crazing"] * 130
    truth[65] = "a class of another plant"
    found = answers(engine, [(str(i), one) for i, one in enumerate(data)], truth, settings.limits)
    assert [found.labels[place] for place in (1, 64, 129)] == ["", "", ""]
    assert not found.right[[1, 64, 129, 65]].any()
    assert (found.probability[[1, 64, 129, 65]] < 1e-6).all()
    for place, one in zip((0, 1, 2, 62, 63, 64, 65, 66), alone, strict=True):
        if place not in (1, 64):
            assert found.labels[place] == one.labels[0]
        if place not in (1, 64, 65):
            assert found.probability[place] == pytest.approx(one.probability[0], rel=1e-3)
    assert found.right.sum() == sum(name == wanted for name, wanted in zip(found.labels, truth, strict=True))


def comparison(name: str, champion: float, challenger: float, images: int = 100, *problems: str) -> Comparison:
    return Comparison(
        name=name,
        images=images,
        champion=champion,
        challenger=challenger,
        low=0.0,
        high=0.0,
        classes={},
        problems=problems,
    )


def judged(*problems: str, recent: float = 0.9, images: int = 100, golden: float = 0.9) -> Gate:
    sets = (comparison(GOLDEN, golden, 0.95, 100, *problems), comparison(RECENT, recent, 0.95, images))
    return Gate(comparisons=sets, speed=1.0, problems=problems)


@pytest.fixture
def standing(settings: Settings) -> tuple[Settings, Version, Material]:
    """A champion, and the material of a retraining."""
    label(settings, "crazing", 20, 6)
    label(settings, "patches", 20, 6, seed=1)
    registry = open_registry(settings)
    version = registry.register(SELECTED, who="ann", reason="it ships", data_hash=SHIPPED)
    registry.promote(version, who="ann", reason="it ships")
    material = gathered(settings, version)
    assert isinstance(material, Material)
    return settings, version, material


def test_a_challenger_that_passes_is_the_champion_now(standing: tuple[Settings, Version, Material]) -> None:
    settings, version, material = standing
    run = retraining(settings, version)
    result = conclude(run, material, candidate("fine-tuned", 0.95, 0.9), judged(), version)
    assert (result.state, result.champion, result.challenger) == ("promoted", "v1", "v2")
    registry = open_registry(settings)
    champion = registry.champion()
    assert champion is not None
    assert (champion.version, champion.data_hash) == ("v2", material.snapshot.hash)
    assert champion.metrics["golden_accuracy"] == champion.metrics["recent_accuracy"] == 0.95
    assert registry.log()[-1].figures == {
        GOLDEN: {"champion": 0.9, "challenger": 0.95},
        RECENT: {"champion": 0.9, "challenger": 0.95},
    }


def test_a_challenger_that_is_refused_is_kept_beside_the_champion(standing: tuple[Settings, Version, Material]) -> None:
    settings, version, material = standing
    run = retraining(settings, version)
    result = conclude(run, material, candidate("fine-tuned", 0.95, 0.9), judged("it is too slow"), version)
    assert (result.state, result.challenger) == ("refused", "v2")
    assert "v2 is not promoted: it is too slow (golden set: 90.00% → 95.00% of 100 images" in result.text
    registry = open_registry(settings)
    assert [entry.action for entry in registry.log()] == ["register", "promote", "register", "challenge"]
    champion, challenger = registry.champion(), registry.challenger()
    assert champion is not None
    assert challenger is not None
    assert (champion.version, challenger.version) == ("v1", "v2")


def test_a_challenger_that_cannot_be_run_is_not_registered(standing: tuple[Settings, Version, Material]) -> None:
    settings, version, material = standing
    gate = Gate(comparisons=(), speed=0.0, problems=("it cannot be trusted: damaged",))
    result = conclude(retraining(settings, version), material, candidate("a", 0.9, 0.9), gate, version)
    assert (result.state, result.challenger) == ("refused", None)
    assert [one.version for one in open_registry(settings).versions()] == ["v1"]


def test_a_champion_that_came_in_between_stays(standing: tuple[Settings, Version, Material]) -> None:
    settings, version, material = standing
    registry = open_registry(settings)
    registry.promote(registry.register(SELECTED, who="bob", reason="b", data_hash="b"), who="bob", reason="better")
    with pytest.raises(RegistryError, match="compare again"):
        conclude(retraining(settings, version), material, candidate("a", 0.95, 0.9), judged(), version)
    champion = registry.champion()
    assert champion is not None
    assert champion.version == "v2"
    assert [one.version for one in registry.versions()] == ["v1", "v2", "v3"]


@pytest.mark.parametrize(
    ("trigger", "recent", "images", "accepted"),
    [
        ("drift", 0.9, 100, True),
        ("drift", 0.87, 100, True),  # 3 points are harmless, whatever their last digit
        ("drift", 0.8699, 100, False),
        ("drift", 0.9, 10, True),
        ("drift", 0.9, 9, False),
        ("labels", 0.9, 100, False),
        ("manual", 0.9, 100, False),
    ],
)
def test_drift_that_costs_no_accuracy_is_normal_from_now_on(
    standing: tuple[Settings, Version, Material], trigger: str, recent: float, images: int, accepted: bool
) -> None:
    settings, version, material = standing
    report = LocalStore(Path(settings.report.uri), create=True)
    profile = build_profile(night_rows(1500, seed=77, digest=version.digest), version.digest)
    for night in range(2):
        for line, light in (("L1", 0.6), ("L2", 1.0)):
            rows = night_rows(seed=10 * night + int(line[1]), light=light, digest=version.digest)
            put_report(report, DAY + dt.timedelta(night), line, rows)
        check_night(report, DAY + dt.timedelta(night), settings.drift, version.digest, profile)
    run = retraining(settings, version, trigger=trigger)
    gate = judged("it is not better", recent=recent, images=images)
    result = conclude(run, material, candidate("fine-tuned", 0.95, 0.9), gate, version)
    assert result.state == "refused"
    kept = [info.key for info in report.list("drift/accepted/") if info.key.endswith(".parquet")]
    assert [key.rpartition("/")[2] for key in kept] == (["line=L1.parquet"] if accepted else [])
    assert result.details.accepted == (("L1",) if accepted else ())
    assert ("normal from now on" in result.text) == accepted
    if accepted:
        assert parse_profile(report.get(kept[0]), kept[0]).nights == [str(DAY + dt.timedelta(1))], "the last night"
        again = check_night(report, DAY + dt.timedelta(1), settings.drift, version.digest, profile)
        # the night is L1's reference now, so it has no verdict of its own
        assert {line.line: line.verdict for line in again.lines} == {"L1": "insufficient", "L2": "none"}


def test_the_champion_is_judged_on_what_it_has_not_seen(standing: tuple[Settings, Version, Material]) -> None:
    settings, _, material = standing
    labels = open_labels(settings)
    label(settings, "scratches", 5, 2, seed=4)
    seen = labels.snapshot()
    labels.write_snapshot(seen)
    own = open_registry(settings).register(OTHER, who="ann", reason="a test", data_hash=seen.hash)
    label(settings, "crazing", 7, 3, seed=5)
    label(settings, "patches", 7, 4, seed=6)
    now = Material(labels.snapshot(), labels.snapshot(), material.golden, material.fresh)
    gate = try_out(retraining(settings, own), now, candidate("a", 0.9, 0.9), resolve(SELECTED))
    assert {one.name: one.images for one in gate.comparisons} == {GOLDEN: 12, RECENT: 7}
    unknown = try_out(retraining(settings, None), now, candidate("a", 0.9, 0.9), resolve(SELECTED))
    assert {one.name: one.images for one in unknown.comparisons} == {GOLDEN: 12, RECENT: 9}
    assert set(gate.comparisons[1].classes) == {"crazing", "patches"}


def test_a_request_that_was_skipped_is_looked_at_again(settings: Settings) -> None:
    label(settings, "crazing", 5)
    how: dict[str, Any] = {"trigger": "drift", "reason": "a test", "who": "ann", "key": "drift:v1"}
    assert [retrain(settings, **how).state for _ in range(2)] == ["skipped", "skipped"]
    assert len(records(open_store(settings.registry_uri, settings.store))) == 2


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("inspected")
    settings = local_settings(make_plant(folder / "plant"), folder / "reports")
    for night in range(2):
        inspect_night(settings, NIGHT + dt.timedelta(night))
    return settings


GOOD = FOUND // 2 - 3  # readable images of a line on a night


@pytest.mark.parametrize(
    ("nights", "least", "images"),
    [(2, 2 * GOOD, 2 * GOOD), (2, 2 * GOOD + 1, None), (3, 2 * GOOD, 2 * GOOD), (1, 2 * GOOD, None)],
)
def test_the_reference_of_a_new_model_is_of_the_latest_nights(
    inspected: Settings, nights: int, least: int, images: int | None
) -> None:
    drift = inspected.drift.model_copy(update={"reference_nights": nights, "min_images": least})
    engine = open_engine(resolve(OTHER))
    content = recent_reference(inspected.model_copy(update={"drift": drift}), engine)
    if images is None:
        assert content is None
        return
    assert content is not None
    profile = parse_profile(content, "a test")
    assert profile.model_digest == engine.digest
    assert profile.images == {"L1": images, "L2": images}
    assert set(profile.rows["model_digest"]) == {engine.digest}
    place = ["object_key", "member", "ordinal"]
    reported = pl.concat([rows_of(inspected, NIGHT + dt.timedelta(night)) for night in range(2)])
    assert profile.rows.join(reported, on=place, how="semi", nulls_equal=True).height == profile.rows.height
    assert profile.rows.select(place).is_duplicated().sum() == 0


def test_images_that_left_the_archive_are_no_reference(inspected: Settings, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    archive = inspected.archive.model_copy(update={"uri": str(tmp_path / "empty")})
    assert recent_reference(inspected.model_copy(update={"archive": archive}), open_engine(resolve(OTHER))) is None


def test_drift_of_nights_whose_reports_are_gone_cannot_be_normal(standing: tuple[Settings, Version, Material]) -> None:
    settings, version, material = standing
    run = retraining(settings, version, trigger="drift")
    result = conclude(run, material, candidate("fine-tuned", 0.95, 0.9), judged("it is not better"), version)
    assert (result.state, result.challenger, result.details.accepted) == ("refused", "v2", ())
