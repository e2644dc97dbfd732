"""The loop on a small plant of frames: a model without labels, a person's labels, a classifier that is promoted."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from steelflow.begin.plan import Begin
from steelflow.begin.run import begin
from steelflow.config import Settings, load_settings
from steelflow.night.run import inspect_night
from steelflow.registry import open_registry
from steelflow.report.regions import RegionReader
from steelflow.retrain import retrain
from steelflow.store import open_store
from steelflow.synth import demo
from steelflow.synth.frame_spec import FramePlantSpec
from steelflow.synth.reviewer import review

PLANT = FramePlantSpec(seed=7, lines=("L1",), start=dt.date(2026, 11, 16), nights=1, coils=6, frames=12)


def plant(folder: Path) -> tuple[Settings, demo.Made]:
    settings = load_settings(demo.begin(folder / "out", PLANT))
    settings = settings.model_copy(
        update={
            "archive": settings.archive.model_copy(update={"uri": str(folder / "archive")}),
            "report": settings.report.model_copy(update={"uri": str(folder / "report")}),
        }
    )
    (folder / "report").mkdir()
    return settings, demo.make_plant(folder / "out", settings, lambda _: None, PLANT)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_labels_of_regions_make_a_classifier_that_finds_more_with_fewer_false_alarms(tmp_path: Path) -> None:
    settings, made = plant(tmp_path)
    night = PLANT.dates[0]
    begun = begin(Begin(source=night.isoformat(), frames=60, views=200, steps=40), tmp_path / "begun", settings)
    registry = open_registry(settings)
    registry.promote(registry.register(begun.onnx, who="ann", reason="day one"), who="ann", reason="day one")
    inspect_night(settings, night)
    before = demo.scored(settings, made, [night])
    regions = RegionReader(open_store(settings.report.uri, settings.store)).regions([night]).collect()
    review(settings, regions, made.truth, made.frames, others=150)
    result = retrain(settings, trigger="manual", reason="the first labels", who="ann")
    assert result.state == "promoted", result.text
    champion = registry.champion()
    assert champion is not None
    assert champion.classes != ("good", "unknown defect")
    assert champion.good == ("good",)
    inspect_night(settings, night)
    after = demo.scored(settings, made, [night])
    assert after.recall is not None
    assert before.recall is not None
    assert after.recall > before.recall + 0.3
    assert after.false_alarms < before.false_alarms
    again = retrain(settings, trigger="manual", reason="nothing new", who="ann")
    assert again.state == "skipped"
    assert "0 labels since the last retraining" in again.text
