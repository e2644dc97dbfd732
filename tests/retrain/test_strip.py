"""Retraining on frames: from labelled regions to a model of views, or the reason why not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from labelled import retraining
from strip import BRIGHT, DARK, SIDE, SPEC, frame, level_model, with_defect

from steelflow.config import ArchiveSettings, FrameSettings, ModelSettings, ReportSettings, RetrainSettings, Settings
from steelflow.engine import open_engine
from steelflow.images.decode import decode
from steelflow.labels import Label, open_labels
from steelflow.labels.framed import frame_labels
from steelflow.records import Failure, Region
from steelflow.registry import open_registry
from steelflow.registry.operating_points import set_point
from steelflow.retrain import due, retrain
from steelflow.retrain.gate import StripFigures
from steelflow.retrain.record import RetrainResult
from steelflow.retrain.strip.judging import look
from steelflow.retrain.strip.material import LabelledFrame, StripMaterial, frames_of, gather_frames
from steelflow.retrain.strip.pictures import annotations_of
from steelflow.retrain.strip.trial import cases_of, try_out_frames
from steelflow.training.annotations import UNKNOWN, Box

DATE = dt.date(2026, 11, 1)
HEIGHT, WIDTH = 64, 160
WHOLE = (None, None, None, None)


def plant(folder: Path, model: Path, **rules: Any) -> Settings:
    (folder / "images").mkdir(exist_ok=True)
    return Settings(
        home=folder / "home",
        archive=ArchiveSettings(uri=str(folder / "images")),
        report=ReportSettings(uri=str(folder / "reports")),
        model=ModelSettings(ref=str(model)),
        frame=FrameSettings(),
        retrain=RetrainSettings(epochs=1, min_labels=20, cooldown_hours=0, min_speed=0, **rules),
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return plant(tmp_path, level_model(tmp_path / "levels.onnx"))


def png(number: int, defect: tuple[int, int, int, int] | None, level: int = DARK) -> bytes:
    picture = frame(HEIGHT, WIDTH, number)
    done, data = cv2.imencode(".png", picture if defect is None else with_defect(picture, *defect, level))
    assert done
    return bytes(data)


def say(settings: Settings, data: bytes, label: str, coil: int, box: tuple[int, ...] | None = None) -> str:
    labels = open_labels(settings)
    image = labels.images.put(data)
    places = dict(zip(("x", "y", "width", "height"), WHOLE if box is None else box, strict=True))
    verdict = "good" if label == "good" else None if box is None else "confirmed"
    place: dict[str, Any] = {"line": "L1", "date": DATE, "coil": f"C{coil}", **places}
    labels.add([Label(image, label, "ann", "review", verdict=verdict, **place)], new_classes={label})
    return image


def night(settings: Settings, coils: int = 8, dark: str = "dark", bright: str = "bright") -> None:
    """Of each coil: a frame with a dark and one with a bright defect, and two good ones."""
    for coil in range(coils):
        say(settings, png(10 * coil, (40, 16, 16, 16)), dark, coil, (40, 16, 16, 16))
        say(settings, png(10 * coil + 1, (96, 24, 24, 16), BRIGHT), bright, coil, (96, 24, 24, 16))
        for more in (2, 3):
            say(settings, png(10 * coil + more, None), "good", coil)


def run(settings: Settings, **how: Any) -> RetrainResult:
    return retrain(settings, **{"trigger": "manual", "reason": "a test", "who": "ann", **how})


def labelled(image: str, label: str, *boxes: Box, whole: bool = False) -> LabelledFrame:
    return LabelledFrame(image, label, boxes, "L1", "L1/2026-11-01/C1", whole)


def test_a_model_that_is_no_better_than_the_champion_is_refused_and_says_why(settings: Settings) -> None:
    night(settings)
    result = run(settings)
    assert (result.state, result.champion, result.challenger) == ("refused", "v1", "v2"), result.text
    registry, labels = open_registry(settings), open_labels(settings)
    champion = registry.champion()
    assert champion is not None
    assert (champion.version, champion.view, champion.good) == ("v1", SIDE, ("good",))
    challenger = registry.version("v2")
    assert challenger.classes == ("bright", "dark", "good")
    assert (challenger.good, challenger.view) == (("good",), SIDE)
    assert challenger.operating_point == open_engine(registry.fetch("v2", settings.home)).spec.operating_point
    golden = labels.golden()
    assert golden is not None
    snapshot = labels.read_snapshot(challenger.data_hash)
    assert snapshot is not None
    rows = frame_labels(labels)
    coils = rows.join(golden.frame.select("image"), on="image", how="semi")["coil"].unique().to_list()
    assert 0 < len(coils) < 8
    assert not set(coils) & set(snapshot.frame["coil"])  # a coil is in the golden set as a whole
    gate = result.details.gate
    assert gate is not None
    assert gate.comparisons[1].images == 0
    assert challenger.metrics["recent_accuracy"] is None, "no images, no accuracy"
    strip = gate.comparisons[0].strip
    assert strip is not None
    assert (strip.champion.found, strip.champion.named, strip.champion.alarms) == (strip.champion.defects,) * 2 + (0,)
    assert "good frames with a false alarm" in result.text
    assert not list((settings.home / "retrain").glob("*")), "the workplace is cleared"
    assert RetrainResult.from_json(result.to_json(), "here") == result


def test_labels_of_regions_are_counted_and_few_are_no_reason(settings: Settings) -> None:
    night(settings, 4)
    assert due(settings) is None
    found = due(plant(settings.home.parent, Path(settings.model.ref), new_labels=16))
    assert found is not None
    assert found.reason == "16 labels since the last retraining"
    result = run(settings)
    assert result.state == "skipped"
    assert "16 labels since the last retraining, 20 are needed" in result.text


@pytest.mark.parametrize(
    ("coils", "classes", "said"),
    [
        (1, ("dark", "bright"), "the golden set needs 10 frames, good and defective, and 4 labelled frames of 1 coils"),
        (8, ("dark", "stain"), r"too few labels to train on, .*: bright \(0\); label more"),
    ],
)
def test_too_few_labels_are_said_before_anything_is_changed(
    settings: Settings, coils: int, classes: tuple[str, str], said: str
) -> None:
    night(settings, coils, *classes)
    result = run(settings, force=True)
    assert result.state == "skipped"
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(result.text)
    assert open_labels(settings).golden() is None
    assert open_registry(settings).champion() is None


def test_a_golden_set_is_found_in_few_coils_with_a_rare_class_each(settings: Settings) -> None:
    night(settings, 10)
    for coil in range(10):
        place = (40, 16, 16, 16)
        say(settings, png(100 + coil, place), f"rare {coil}", coil, place)
    result = run(settings, force=True)
    assert result.state == "refused", result.text  # by the gate, on golden frames
    golden = open_labels(settings).golden()
    assert golden is not None
    counts = dict(golden.frame.group_by("label").len().iter_rows())
    assert min(counts[name] for name in ("dark", "bright")) >= 2


def test_frames_are_read_from_their_labels(settings: Settings) -> None:
    data = png(1, (40, 16, 16, 16))
    image = say(settings, data, "hole", 1, (40, 16, 16, 16))
    say(settings, data, "stain", 1, (0, 0, 40, 40))
    say(settings, data, "good", 1, (90, 0, 8, 8))
    fine = say(settings, png(2, None), "OK", 2)
    found = {one.image: one for one in frames_of(frame_labels(open_labels(settings)), "good")}
    assert found[image].label == "stain"  # the larger one
    assert {box.label for box in found[image].boxes} == {"hole", "stain", "good"}
    assert (found[image].whole, found[image].group) == (False, "L1/2026-11-01/C1")
    assert (found[fine].label, found[fine].whole) == ("good", True)


def test_what_nobody_judged_is_unknown_and_the_rest_of_a_frame_is_good(settings: Settings, tmp_path: Path) -> None:
    labels = open_labels(settings)
    image = labels.images.put(png(1, (40, 16, 16, 16)))
    other = labels.images.put(png(2, None))
    defect, rare, fine = Box("hole", 40, 16, 16, 16), Box("rare", 100, 0, 10, 10), Box("good", 0, 40, 10, 10)
    pointed = {
        image: [
            Region(0, 0.9, 38, 14, 16, 16, 200, 1),  # labelled
            Region(0, 0.8, 120, 40, 12, 12, 100, 1),  # not labelled
        ]
    }
    frames = [labelled(image, "hole", defect, rare, fine), labelled(other, "rare", whole=True)]
    data = annotations_of(labels, frames, pointed, ["hole"], "good", tmp_path / "frames", settings.limits)
    assert (data.classes, data.good) == (("good", "hole"), ("good",))
    assert [item.label for item in data.items] == ["hole"]  # a whole frame of a rare class says nothing
    grey, known = data.read(data.items[0])
    assert grey.shape == known.shape == (HEIGHT, WIDTH)
    assert (known[16:32, 40:56] == 1).all()
    assert (known[0:10, 100:110] == UNKNOWN).all()
    assert (known[40:52, 120:132] == UNKNOWN).all()
    assert (known == UNKNOWN).sum() == 100 + 144
    assert (known == 0).sum() == known.size - 256 - 244


def test_frames_are_judged_with_the_operating_point_of_their_line(settings: Settings) -> None:
    image = open_labels(settings).images.put(png(1, (40, 16, 16, 16)))
    engine, frames = open_engine(Path(settings.model.ref)), [labelled(image, "dark", Box("dark", 40, 16, 16, 16))]
    seen = look(engine, frames, open_labels(settings), settings, {})[image]
    assert (seen.alarm, seen.label, len(seen.regions), seen.point) == (True, "dark", 1, 0.5)
    high = 0.9999999
    strict = look(engine, frames, open_labels(settings), settings, {"L1": high, None: 0.5})[image]
    assert strict.point == high
    assert strict.alarm == (strict.score > np.float32(high))


def test_a_frame_that_cannot_be_decoded_is_wrong_for_every_model(settings: Settings) -> None:
    image = open_labels(settings).images.put(b"no picture")
    assert isinstance(decode(b"no picture", settings.limits), Failure)
    assert (
        look(open_engine(Path(settings.model.ref)), [labelled(image, "good")], open_labels(settings), settings, {})
        == {}
    )


def test_every_defect_is_a_case_and_every_good_frame() -> None:
    two = labelled("a", "dark", Box("dark", 0, 0, 4, 4), Box("bright", 9, 9, 4, 4), Box("good", 20, 20, 4, 4))
    rejected = labelled("b", "good", Box("good", 0, 0, 4, 4))
    cases = cases_of([two, rejected, labelled("c", "dark")], "good")
    assert [(case.image, case.label, case.box is None) for case in cases] == [
        ("a", "dark", False),
        ("a", "bright", False),
        ("b", "good", True),
        ("c", "dark", True),
    ]


class Asked:
    """A trial of two level models on the frames of a plant."""

    def __init__(self, settings: Settings, coils: int = 6) -> None:
        night(settings, coils)
        self.settings = settings
        self.frames = frames_of(frame_labels(open_labels(settings)), "good")

    def figures(self, before: Path, after: Path) -> tuple[StripFigures, StripFigures, tuple[str, ...], bool]:
        from steelflow.retrain.retraining import Request, Retraining

        registry = open_registry(self.settings)
        asked = Request(trigger="manual", reason="a test", who="ann")
        asking = Retraining(self.settings, asked, registry, open_labels(self.settings), print, print, None)
        gate = try_out_frames(asking, {"golden set": self.frames, "recent labels": ()}, "good", before, after)
        strip = gate.comparisons[0].strip
        assert strip is not None
        return strip.champion, strip.challenger, gate.problems, gate.passed


def model(folder: Path, name: str, **changes: Any) -> Path:
    return level_model(folder / f"{name}.onnx", SPEC.model_copy(update={"name": name, **changes}))


def test_the_model_that_finds_more_at_its_operating_point_wins(settings: Settings, tmp_path: Path) -> None:
    asked = Asked(settings)
    blind = model(tmp_path, "blind", operating_point=0.999999)
    old, new, problems, passed = asked.figures(blind, model(tmp_path, "sharp"))
    assert (old.found, new.found, new.named, old.alarms, new.alarms) == (0, 12, 12, 0, 0)
    assert old.auc == new.auc == 1.0  # they separate equally well
    assert passed, problems
    *_, problems, passed = asked.figures(model(tmp_path, "sharp"), blind)
    assert not passed
    assert any("worse on class dark of the golden set" in one for one in problems)


def test_false_alarms_are_a_loss_of_the_class_good(settings: Settings, tmp_path: Path) -> None:
    nervous = model(tmp_path, "nervous", operating_point=0.0)
    old, new, problems, _ = Asked(settings).figures(model(tmp_path, "calm"), nervous)
    assert (old.alarms, new.alarms, new.good_frames) == (0, 12, 12)
    assert any("worse on class good of the golden set" in one for one in problems)


def test_a_wrong_class_counts_only_where_the_champion_has_classes(settings: Settings, tmp_path: Path) -> None:
    asked = Asked(settings)
    swapped = {"classes": ("bright", "good", "dark")}
    _, new, problems, _ = asked.figures(model(tmp_path, "right"), model(tmp_path, "swapped", **swapped))
    assert (new.found, new.named) == (12, 0)
    assert any("class dark" in one for one in problems)
    nameless = model(tmp_path, "begin", arch="begin", classes=("unknown", "good", "other"), operating_point=0.999999)
    _, new, problems, passed = asked.figures(nameless, model(tmp_path, "named"))
    assert (new.found, new.named, passed) == (12, 12, True), problems


def test_a_point_that_people_set_for_the_champion_counts(settings: Settings, tmp_path: Path) -> None:
    asked, champion = Asked(settings), model(tmp_path, "champion")
    digest = open_engine(champion).digest
    set_point(open_registry(settings).store, digest, "L1", 0.9999999, who="ann", reason="too many alarms")
    old, new, *_ = asked.figures(champion, model(tmp_path, "same"))
    assert old.found <= new.found == 12


def gathered(settings: Settings, *without: str) -> StripMaterial | str:
    one = retraining(settings, without=without)
    rows = frame_labels(one.labels)
    spec = open_engine(Path(settings.model.ref)).spec
    return gather_frames(one, spec, rows, rows, set(rows["group"]))


def test_a_class_of_the_champion_without_labels_is_left_out_or_retired_on_purpose(settings: Settings) -> None:
    night(settings, 8, "dark", "stain")
    why = gathered(settings)
    assert "bright (0)" in str(why)
    assert "`steelflow retrain --without bright`" in str(why)
    assert open_labels(settings).golden() is None
    found = gathered(settings, "bright")
    assert isinstance(found, StripMaterial)
    assert found.classes == ("dark", "stain")
    open_labels(settings).change_class("retire", "bright", who="olga", reason="a test", classes=["bright"])
    assert isinstance(gathered(settings), StripMaterial)


def test_a_class_that_is_left_out_is_not_judged_and_one_that_is_retired_is_not_good_surface(settings: Settings) -> None:
    night(settings)
    both = png(5, (40, 16, 16, 16))
    image = say(settings, both, "dark", 1, (40, 16, 16, 16))
    say(settings, both, "bright", 1, (96, 24, 24, 16))
    found = gathered(settings, "bright")
    assert isinstance(found, StripMaterial)
    assert found.classes == ("dark",)
    assert not any(box.label == "bright" for one in found.golden_frames for box in one.boxes)
    assert all(one.label != "bright" for one in found.golden_frames)
    open_labels(settings).change_class("retire", "bright", who="olga", reason="a test")
    again = gathered(settings)
    assert isinstance(again, StripMaterial)
    assert again.classes == ("dark",)
    frames = [one for one in again.training if one.image == image]
    for one in frames:  # if its coil was not chosen for the golden set
        assert {box.label for box in one.boxes} == {"dark", "bright"}
        data = annotations_of(
            open_labels(settings), frames, {}, again.classes, again.good, settings.home / "x", settings.limits
        )
        assert [box.label for box in data.items[0].unsure] == ["bright"]
