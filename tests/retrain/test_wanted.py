"""Classes that the champion or recent nights show and the labels lack; and classes that people changed."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from hooks import Webhook
from labelled import label, pictures, retraining
from nights import DAY, night_rows, put_report
from plants import local_settings
from pydantic import SecretStr

from steelflow.config import AlertSettings, RetrainSettings, SelectionSettings, Settings
from steelflow.engine import open_engine
from steelflow.errors import ConfigError, LabelError, LockHeld
from steelflow.labels import Classes, open_labels
from steelflow.labels.classes import ClassAction
from steelflow.models.shipped import SELECTED, resolve
from steelflow.records import Partition
from steelflow.registry import Version, open_registry
from steelflow.report.summary import write_summary
from steelflow.retrain import due, retrain
from steelflow.retrain.gate import Answers
from steelflow.retrain.judging import answers
from steelflow.retrain.material import Material, gather
from steelflow.store import open_store
from steelflow.store.lock import locked

OTHER = "ssdc_mininet"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "images").mkdir()
    return local_settings(tmp_path / "images", tmp_path / "reports")


def a_night(settings: Settings, novel: bool = False) -> None:
    """A night on which a model found crazing, patches and scratches."""
    rows = night_rows(90)
    store = open_store(settings.report.uri, settings.store, create=True)
    put_report(store, DAY, "L1", rows.with_columns(novel=rows["label"] == "scratches") if novel else rows)
    write_summary(store, Partition("L1", DAY))


def two_classes(settings: Settings) -> None:
    label(settings, "crazing", 20, 6)
    label(settings, "patches", 20, 6, seed=1)


def gathered(settings: Settings, *without: str, champion: Version | None = None) -> Material | str:
    run = retraining(settings, champion, without=without)
    snapshot = run.labels.snapshot()
    return gather(run, snapshot, snapshot.frame)


def unchanged(settings: Settings) -> None:
    assert open_labels(settings).golden() is None
    assert open_registry(settings).log() == []


def test_a_class_that_recent_nights_show_has_to_be_learnt(settings: Settings) -> None:
    a_night(settings)
    two_classes(settings)
    why = gathered(settings)
    assert isinstance(why, str)
    for words in (
        "scratches (0)",
        "shown by the latest nights: scratches",
        "`steelflow labels import`",
        "`steelflow retrain --without scratches`",
        "`steelflow labels retire scratches",
    ):
        assert words in why
    unchanged(settings)
    found = gathered(settings, "scratches")
    assert isinstance(found, Material)
    assert set(found.golden.frame["label"]) == {"crazing", "patches"}


def test_novel_images_show_no_class(settings: Settings) -> None:
    a_night(settings, novel=True)
    two_classes(settings)
    assert isinstance(gathered(settings), Material)


@pytest.mark.parametrize(
    ("action", "into"), [("retire", None), ("merge", "patches"), ("rename", "crazing of another kind")]
)
def test_a_changed_class_is_wanted_by_its_name_of_today(
    settings: Settings, action: ClassAction, into: str | None
) -> None:
    a_night(settings)
    two_classes(settings)
    open_labels(settings).change_class(action, "scratches", into, who="olga", reason="a test", classes=["scratches"])
    found = gathered(settings)
    if action == "rename":
        assert "crazing of another kind (0)" in str(found)
        unchanged(settings)
    else:
        assert isinstance(found, Material)


def test_a_class_that_is_left_out_has_to_be_known(settings: Settings) -> None:
    two_classes(settings)
    with pytest.raises(LabelError, match="--without scratch: is not a known class"):
        gathered(settings, "scratch")
    unchanged(settings)


def test_what_is_left_out_is_neither_learnt_nor_judged_and_is_recorded(settings: Settings) -> None:
    two_classes(settings)
    label(settings, "scratches", 20, 6, seed=2)
    assert isinstance(gathered(settings), Material)
    run = retraining(settings, without=("scratches",))
    snapshot = run.labels.snapshot()
    found = gather(run, snapshot, snapshot.frame)
    assert isinstance(found, Material)
    assert set(found.golden.frame["label"]) == set(found.usable.frame["label"]) == {"crazing", "patches"}
    assert set(found.golden.chosen["label"]) == {"crazing", "patches", "scratches"}, "it stays frozen"
    assert run.details.without == ("scratches",)
    assert "(without scratches)" in run.request.for_the_log


def test_one_class_is_not_enough_to_tell_apart(settings: Settings) -> None:
    label(settings, "crazing", 20, 12)
    assert "at least two classes" in str(gathered(settings))
    unchanged(settings)


def test_the_golden_set_gets_a_class_when_it_has_enough(settings: Settings) -> None:
    two_classes(settings)
    first = gathered(settings)
    assert isinstance(first, Material)
    label(settings, "scratches", 6, 1, seed=2)
    second = gathered(settings)
    assert isinstance(second, Material)
    assert second.golden.hash == first.golden.hash
    label(settings, "scratches", 0, 1, seed=3)
    third = gathered(settings)
    assert isinstance(third, Material)
    assert set(third.golden.frame["label"]) == {"crazing", "patches", "scratches"}
    assert set(first.golden.frame["image"]) < set(third.golden.frame["image"])
    assert not set(third.golden.frame["image"]) & set(third.usable.frame["image"])
    assert "classes that are new: scratches" in open_labels(settings).pins()[-1].reason


def test_all_is_checked_before_anything_is_frozen(settings: Settings) -> None:
    two_classes(settings)
    labels = open_labels(settings)
    image = labels.current()["image"][0]
    key = f"images/{image[:2]}/{image}"
    data = labels.store.get(key)
    labels.store.delete(key)
    with pytest.raises(LabelError, match="1 labelled images are missing"):
        retrain(ruled(settings), trigger="manual", reason="a test", who="ann")
    unchanged(settings)
    labels.store.put(key, data)
    unknown = settings.model_copy(update={"selection": SelectionSettings(arch="steelnot")})
    with pytest.raises(ConfigError, match=r"selection\.arch: 'steelnot' is not in the catalogue"):
        retrain(ruled(unknown), trigger="manual", reason="a test", who="ann")
    unchanged(settings)


def ruled(settings: Settings) -> Settings:
    return settings.model_copy(update={"retrain": RetrainSettings(min_labels=2, new_labels=500)})


def test_a_second_retraining_is_told_what_to_run(settings: Settings) -> None:
    store = open_store(settings.registry_uri, settings.store, create=True)
    with locked(store, "locks/retrain", "a retraining"), pytest.raises(LockHeld) as caught:
        retrain(settings, trigger="manual", reason="a test", who="ann")
    assert "`steelflow retrain` again" in str(caught.value)
    assert "--wait" not in str(caught.value)


def test_a_change_of_classes_makes_a_retraining_due_once(settings: Settings) -> None:
    two_classes(settings)
    registry, labels = open_registry(settings), open_labels(settings)
    version = registry.register(OTHER, who="ann", reason="a test", data_hash=labels.snapshot().hash)
    registry.promote(version, who="ann", reason="a test")
    labels.write_snapshot(labels.snapshot())
    assert due(ruled(settings)) is None
    labels.change_class("merge", "crazing", "patches", who="olga", reason="one kind")
    found = due(ruled(settings))
    assert found is not None
    assert found.reason.startswith("'crazing' was merged into 'patches' by olga")


def test_a_champion_answers_by_the_names_of_today(settings: Settings) -> None:
    engine = open_engine(resolve(SELECTED))
    data = [(str(place), one) for place, one in enumerate(islice(pictures(), 6))]
    before = answers(engine, data, ["crazing"] * 6, settings.limits)
    labels = open_labels(settings)
    for name in engine.spec.classes:
        if name != "crazing":
            labels.change_class("merge", name, "crazing", who="o", reason="r", classes=engine.spec.classes)
    merged: Classes = labels.class_names()
    after: Answers = answers(engine, data, ["crazing"] * 6, settings.limits, merged)
    assert set(after.labels) == {"crazing"}
    assert after.right.all()
    assert after.probability == pytest.approx(1)
    assert (after.probability >= before.probability).all()


def test_a_retraining_that_lacks_a_class_alerts_once(settings: Settings) -> None:
    a_night(settings)
    two_classes(settings)
    hook = Webhook()
    try:
        told = ruled(settings).model_copy(update={"alerts": AlertSettings(webhook=SecretStr(hook.url))})
        for trigger in ("manual", "labels", "calendar"):
            result = retrain(told, trigger=trigger, reason="a test", who="nightly")  # type: ignore[arg-type]
            assert (result.state, result.details.lacking) == ("skipped", ("scratches",))
    finally:
        hook.close()
    assert hook.told == []  # a person at the command line reads it; afterwards nothing is new


def test_a_retraining_that_nobody_started_by_hand_tells_people(settings: Settings) -> None:
    a_night(settings)
    two_classes(settings)
    hook = Webhook()
    try:
        told = ruled(settings).model_copy(update={"alerts": AlertSettings(webhook=SecretStr(hook.url))})
        for _ in range(2):
            retrain(told, trigger="labels", reason="a test", who="nightly")
    finally:
        hook.close()
    assert [one["event"] for one in hook.told] == ["retrain.skipped"]
    assert "scratches (0)" in hook.told[0]["text"]
