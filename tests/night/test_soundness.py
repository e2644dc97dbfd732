"""Nights with the model that ships: what it says on strip that it does not know, and what becomes its reference."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hooks import Webhook
from knowing import noise, with_good
from nights import DAY, night_rows, put_report
from plants import NIGHT, local_settings, make_plant
from pydantic import SecretStr

from steelflow.config import AlertSettings, DriftSettings, NightSettings, Settings
from steelflow.engine import open_engine
from steelflow.inspection.judge import judge
from steelflow.labels import open_labels
from steelflow.models.shipped import SHIPPED, shipped
from steelflow.night.drift import check_drift
from steelflow.night.run import inspect_night
from steelflow.night.soundness import doubts_about
from steelflow.records import RawImage
from steelflow.registry import open_registry, resolved
from steelflow.report.record import RunRecord
from steelflow.service.night_notes import alert_of_notes
from steelflow.store.local import LocalStore
from steelflow.synth import surface
from steelflow.synth.files import jpeg
from steelflow.synth.textures import CLASSES

SAYS = "the shipped model steelnet knows six hot-rolled defects on 200×200 pictures; "


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "images").mkdir()
    return local_settings(tmp_path / "images", tmp_path / "report")


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    yield server
    server.close()


def folder_of(settings: Settings, date: dt.date) -> Path:
    return Path(settings.archive.uri) / f"line=L1/date={date}/coil=C1"


def test_the_model_that_ships_says_what_it_is_for_once_to_the_webhook(settings: Settings, webhook: Webhook) -> None:
    settings = settings.model_copy(
        update={
            "alerts": AlertSettings(webhook=SecretStr(webhook.url)),
            "drift": DriftSettings(min_images=50, reference_nights=1),
        }
    )
    results = []
    for number in range(2):
        date = DAY + dt.timedelta(number)
        noise(folder_of(settings, date), 60, seed=number)
        results.append(inspect_night(settings, date))
        alert_of_notes(settings, date, results[-1].new_notes, results[-1].model)
    first, second = results
    (note,) = first.notes
    assert note.startswith(SAYS)
    assert note.endswith("% of tonight's images are unlike them: begin with `steelflow models begin`")
    assert second.notes[0].startswith(SAYS)
    assert (first.new_notes, second.new_notes) == (first.notes, ())
    (told,) = webhook.told
    assert (told["event"], told["text"]) == ("night.note", f"Night of {DAY}: {note}")
    written = json.loads(Path(str(first.run_record)).read_text())
    assert written["notes"] == [note]
    assert RunRecord.from_json(json.dumps(written).encode(), "x").notes == first.notes
    again = inspect_night(settings, DAY)
    assert (again.run_record, again.notes, again.new_notes) == (first.run_record, first.notes, ())
    assert first.drift is not None
    assert "this night does not become part of it" in first.drift.reasons[0]
    assert not list(LocalStore(Path(settings.report.uri)).list("drift/references/"))


def test_a_night_that_the_model_knows_says_its_rates_and_nothing_else(tmp_path: Path) -> None:
    path = with_good(tmp_path / "own.onnx", "patches", "crazing")
    settings = local_settings(make_plant(tmp_path / "plant"), tmp_path / "report", ref=str(path))
    result = inspect_night(settings, NIGHT)
    assert (result.notes, result.defects.unit.whole, result.defects.metres) == ((), True, None)
    assert {label for label, _, _ in result.defects.classes}.isdisjoint({"patches", "crazing"})
    assert result.defects.defects is not None
    assert 0 < result.defects.defects < result.defects.images == result.ok
    assert "notes" not in json.loads(Path(str(result.run_record)).read_text())
    assert json.loads(json.dumps(result.to_dict()))["defects"] == result.defects.to_dict()


def test_a_line_that_is_missing_keeps_the_night_out_of_the_reference(settings: Settings) -> None:
    settings = settings.model_copy(update={"night": NightSettings(lines=("L1", "L2"))})
    report = LocalStore(Path(settings.report.uri), create=True)
    rows = night_rows(seed=0, digest=resolved(settings).digest)
    put_report(report, DAY, "L1", rows)
    (reason,) = check_drift(settings, DAY).reasons
    assert "does not become part of it: no images of line L2 (night.lines); if the night is normal" in reason
    put_report(report, DAY, "L2", rows)
    assert [reason[-6:] for reason in check_drift(settings, DAY).reasons] == ["1 of 3", "1 of 3"]


@pytest.mark.parametrize(("state", "sound"), [("complete", True), ("limited", False), ("failed units", False)])
def test_a_night_that_was_not_completed_stays_out(settings: Settings, state: str, sound: bool) -> None:
    report = LocalStore(Path(settings.report.uri), create=True)
    put_report(report, DAY, "L1", night_rows(seed=0, digest=resolved(settings).digest))
    record = {"date": str(DAY), "state": state, "started_at": f"{DAY}T01:00:00+00:00"}
    report.put(f"runs/date={DAY}/1.json", json.dumps(record).encode())
    (reason,) = check_drift(settings, DAY).reasons
    said = f"the night is not complete ({state}): run `steelflow nightly --date {DAY}`"
    assert (said in reason, reason.endswith("1 of 3")) == (not sound, sound)


def golden(settings: Settings, wrong: int, count: int = 24) -> None:
    """A golden set of the plant's surfaces with the model's own labels, ``wrong`` of which are changed."""
    engine = open_engine(resolved(settings).path, "onnxruntime")
    random = np.random.default_rng(0)
    data = [jpeg(surface(CLASSES[number % len(CLASSES)], random), 95) for number in range(count)]
    judged = judge([RawImage(str(number), None, 0, one) for number, one in enumerate(data)], engine, settings.limits)
    names = engine.spec.classes
    seen = judged.probabilities.argmax(1).tolist()
    truth = [names[(label + (number < wrong)) % len(names)] for number, label in enumerate(seen)]
    labels = open_labels(settings)
    put = list(labels.images.put_many(data))
    labels.freeze(pl.DataFrame({"image": put, "label": truth}), "ann", "a test")


def reasons(settings: Settings) -> tuple[str, ...]:
    report = LocalStore(Path(settings.report.uri), create=True)
    model = resolved(settings)
    return doubts_about(settings, report, NIGHT, model.digest, model.version)()


def test_without_a_golden_set_nothing_is_doubted_and_no_folder_is_made(settings: Settings) -> None:
    assert reasons(settings) == ()
    assert not Path(settings.labels_uri).exists()


@pytest.mark.parametrize(("wrong", "sound"), [(0, True), (1, True), (2, False), (24, False)])
def test_a_model_far_below_its_record_on_the_golden_set_is_doubted(settings: Settings, wrong: int, sound: bool) -> None:
    golden(settings, wrong)
    found = reasons(settings)
    assert len(found) == (not sound)
    assert sound or found[0].startswith(f"{1 - wrong / 24:.1%} of the golden set are right, its record says 99.7%")


def test_the_record_is_that_of_the_version_on_this_golden_set_else_on_held_out_images(settings: Settings) -> None:
    golden(settings, 6)
    pin = open_labels(settings).golden()
    assert pin is not None
    registry = open_registry(settings)
    for number, (metrics, says) in enumerate(
        [
            ({"golden": pin.hash, "golden_accuracy": 0.79, "accuracy": 0.99}, None),
            (
                {"golden": pin.hash, "golden_accuracy": 0.81, "accuracy": 0.5},
                "75.0% of the golden set are right, its record",
            ),
            ({"golden": "another", "golden_accuracy": 0.5, "accuracy": 0.9}, "its record says 90.0%"),
        ]
    ):
        version = registry.register("steelnet", who="ann", reason="a test", data_hash=str(number), metrics=metrics)
        registry.promote(version, who="ann", reason="a test")
        found = reasons(settings)
        assert len(found) == (says is not None)
        assert says is None or says in found[0]


def test_a_model_without_a_record_is_measured_by_its_own_confidence(settings: Settings, tmp_path: Path) -> None:
    own = settings.with_model(str(with_good(tmp_path / "own.onnx", "patches")))
    golden(own, 12)
    (reason,) = reasons(own)
    assert reason.startswith("50.0% of the golden set are right, its own confidence says ")
    assert shipped(resolved(own).digest) is None


def test_a_damaged_golden_set_is_a_doubt_and_not_an_error(settings: Settings) -> None:
    golden(settings, 0)
    (Path(settings.labels_uri) / "golden.json").write_text("{")
    assert reasons(settings)[0].startswith("the golden accuracy is not known: ")


def test_every_model_that_ships_says_what_it_is_for() -> None:
    found = [shipped(digest) for digest in SHIPPED.values()]
    assert [one and one.name for one in found] == list(SHIPPED)
