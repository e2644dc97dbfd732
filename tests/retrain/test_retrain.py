"""Retraining: from labels to a promotion, or to the reason why not; with real models of pictures learnt in seconds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest
from kills import kill, seconds_of
from paths import SUPPORT
from safetensors.torch import load_file
from toys import PLAIN, stripes

from steelflow.config import ArchiveSettings, ReportSettings, RetrainSettings, SelectionSettings, Settings
from steelflow.errors import LabelError, LockHeld, RegistryError
from steelflow.labels import Label, open_labels
from steelflow.models.deployable import Deployable, load_torch, save_torch
from steelflow.models.spec import ModelSpec
from steelflow.registry import open_registry, resolved
from steelflow.retrain import RetrainResult, Trial, due, records, retrain
from steelflow.store import open_store
from steelflow.store.lock import locked
from steelflow.training.data import load_images, split
from steelflow.training.export import export_onnx
from steelflow.training.train import TrainingPlan, train

EPOCHS = 8
OLD = Path(__file__).parent / "data" / "retrain-0.1.0.json"  # of the plant below, as version 0.1.0 wrote it


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return plant(tmp_path)


def plant(folder: Path, **rules: Any) -> Settings:
    (folder / "images").mkdir(exist_ok=True)
    return Settings(
        home=folder / "home",
        archive=ArchiveSettings(uri=str(folder / "images")),
        report=ReportSettings(uri=str(folder / "reports")),
        selection=SelectionSettings(arch="steelnet_s"),
        retrain=RetrainSettings(epochs=EPOCHS, min_labels=20, cooldown_hours=0, min_speed=0, **rules),
    )


def picture(name: str, rng: np.random.Generator) -> np.ndarray:
    if name == "dots":
        return rng.integers(0, 255, (40, 40), dtype=np.uint8)
    return stripes(name == "along", rng)


def label(settings: Settings, count: int, *classes: str, seed: int = 0, dim: float = 1.0, wrong: bool = False) -> None:
    """``count`` images of each class, as dark as ``dim``."""
    labels = open_labels(settings)
    rng = np.random.default_rng(seed)
    said = []
    for place, name in enumerate(classes):
        for _ in range(count):
            _, data = cv2.imencode(".png", (picture(name, rng) * dim).astype(np.uint8))
            shown = classes[(place + 1) % len(classes)] if wrong else name
            said.append(Label(labels.images.put(data.tobytes()), shown, "ann", "import"))
    labels.add(said, new_classes=classes)


def run(settings: Settings, **how: Any) -> RetrainResult:
    return retrain(settings, **{"trigger": "manual", "reason": "a test", "who": "ann", **how})


def test_the_first_labels_of_a_plant_make_its_first_champion(settings: Settings) -> None:
    label(settings, 60, "across", "along")
    result = run(settings)
    assert (result.state, result.champion, result.challenger) == ("promoted", "v1", "v2")
    registry = open_registry(settings)
    champion = registry.champion()
    assert champion is not None
    assert champion.classes == ("across", "along")
    assert {"model.onnx", "model.safetensors", "metrics.json", "card.md", "curves.png"} <= set(champion.files)
    assert [entry.action for entry in registry.log()] == ["register", "promote", "register", "promote"]
    golden = open_labels(settings).golden()
    assert golden is not None
    snapshot = open_labels(settings).read_snapshot(champion.data_hash)
    assert snapshot is not None
    assert not set(golden.frame["image"]) & set(snapshot.frame["image"])
    assert records(open_store(settings.registry_uri, settings.store))[0] == result
    assert result.details.gate is not None
    assert result.details.gate.comparisons[0].challenger > 0.95
    assert list(result.details.stage_seconds) == ["train", "trial", "register"]
    assert not list((settings.home / "retrain").glob("*")), "the workplace is cleared"


def test_new_labels_are_counted_and_few_of_them_are_no_reason(settings: Settings) -> None:
    label(settings, 60, "across", "along")
    assert due(settings) is None
    found = due(plant(settings.home.parent, new_labels=100))
    assert found is not None
    assert found.reason == "120 labels since the last retraining"
    assert found.key == f"labels:{open_labels(settings).snapshot().hash}"
    run(settings)
    label(settings, 5, "across", "along", seed=1)
    result = run(settings)
    assert (result.state, result.challenger) == ("skipped", None)
    assert "10 labels since the last retraining, 20 are needed" in result.text
    assert open_registry(settings).champion().version == "v2"  # type: ignore[union-attr]


def test_what_was_asked_for_is_decided_once(settings: Settings) -> None:
    label(settings, 60, "across", "along")
    first = run(settings, key="drift:v1:2026-11-01")
    assert run(settings, key="drift:v1:2026-11-01") == first
    assert len(records(open_store(settings.registry_uri, settings.store))) == 1


def test_a_decision_of_version_0_1_is_read_and_written_as_it_was() -> None:
    data = OLD.read_bytes()
    record = RetrainResult.from_json(data, str(OLD))
    assert (record.state, record.key, record.details.left_out) == ("promoted", "drift:v1:2026-11-01", ("dots",))
    assert record.details.gate is not None
    assert (record.details.gate.passed, record.details.gate.comparisons[0].classes["along"].images) == (True, 12)
    assert record.to_json() == data


def test_a_decision_of_version_0_1_counts(settings: Settings) -> None:
    store = open_store(settings.registry_uri, settings.store, create=True)
    store.put(f"retrains/{OLD.name}", OLD.read_bytes())
    assert run(settings, key="drift:v1:2026-11-01") == RetrainResult.from_json(OLD.read_bytes(), str(OLD))
    label(settings, 60, "across", "along")
    recent = settings.model_copy(update={"retrain": settings.retrain.model_copy(update={"cooldown_hours": 1e6})})
    waits = run(recent, trigger="labels")
    assert waits.state == "skipped"
    assert "the last retraining was at 2026-11-26 14:03 UTC" in waits.text


@pytest.mark.parametrize("data", [b"{half", b"[]", b'{"id": "1", "state": "promoted"}'])
def test_a_damaged_decision_stops_a_retraining(settings: Settings, data: bytes) -> None:
    label(settings, 60, "across", "along")
    open_store(settings.registry_uri, settings.store, create=True).put("retrains/1.json", data)
    with pytest.raises(RegistryError, match=r"retrains/1\.json: is not a record of a retraining; remove it"):
        run(settings)


def test_the_cooldown_is_for_those_that_nobody_asked_for(tmp_path: Path) -> None:
    label(plant(tmp_path), 60, "across", "along")
    hot = plant(tmp_path).model_copy(
        update={"retrain": RetrainSettings(epochs=EPOCHS, min_labels=20, cooldown_hours=5, min_speed=0)}
    )
    assert run(hot).state == "promoted"
    label(hot, 30, "across", "along", seed=1)
    result = run(hot, trigger="drift")
    assert result.state == "skipped"
    assert "(retrain.cooldown_hours)" in result.text
    assert run(hot).state != "skipped"


def test_a_new_class_widens_the_head(settings: Settings) -> None:
    label(settings, 60, "across", "along")
    run(settings)
    label(settings, 60, "dots", seed=3)
    result = run(settings)
    assert result.state == "promoted", result.text
    assert resolved(settings).version == result.challenger
    champion = open_registry(settings).champion()
    assert champion is not None
    assert champion.classes == ("across", "along", "dots")


def test_a_class_with_too_few_images_waits(settings: Settings) -> None:
    label(settings, 60, "across", "along")
    label(settings, 3, "dots")
    result = run(settings)
    assert (result.state, result.details.left_out) == ("promoted", ("dots",))
    written, old = json.loads(result.to_json()), json.loads(OLD.read_text())
    assert list(written) == list(old)
    assert list(written["details"]) == list(old["details"])
    assert list(written["details"]["gate"]) == list(old["details"]["gate"])
    champion, golden = open_registry(settings).champion(), open_labels(settings).golden()
    assert champion is not None
    assert golden is not None
    assert champion.classes == ("across", "along")
    assert set(golden.frame["label"]) == {"across", "along"}


def test_too_few_to_judge_by_freeze_no_golden_set(settings: Settings) -> None:
    label(settings, 14, "across", "along")
    result = run(settings)
    assert result.state == "skipped"
    assert "the golden set needs 10 images" in result.text
    assert open_labels(settings).golden() is None
    assert open_registry(settings).champion() is None


def test_a_class_of_the_champion_without_labels_is_named(settings: Settings) -> None:
    label(settings, 60, "across", "along", "dots")
    run(settings)
    labels = open_labels(settings)
    gone = labels.current().filter(pl.col("label") == "dots")
    labels.add([Label(image, None, "bob", "review") for image in gone["image"]])
    label(settings, 30, "across", "along", seed=5)
    result = run(settings)
    assert result.state == "skipped"
    assert "too few labelled images" in result.text
    assert "dots (0)" in result.text


def test_two_at_once_are_one(settings: Settings) -> None:
    label(settings, 60, "across", "along")
    store = open_store(settings.registry_uri, settings.store, create=True)
    with locked(store, "locks/retrain", "a retraining"), pytest.raises(LockHeld, match="a retraining is already"):
        run(settings)
    assert open_registry(settings).champion() is None


def test_a_golden_set_that_changed_stops_everything(settings: Settings) -> None:
    label(settings, 60, "across", "along")
    run(settings)
    before = open_registry(settings).log()
    (manifest,) = (Path(settings.labels_uri) / "golden").glob("*.parquet")
    frame = pl.read_parquet(manifest)
    frame.with_columns(label=pl.lit("across")).write_parquet(manifest)
    label(settings, 30, "across", "along", seed=1)
    with pytest.raises(LabelError, match="was changed"):
        run(settings)
    assert open_registry(settings).log() == before


class Court:
    """A champion that knows its stripes, and what is needed to judge challengers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        rng = np.random.default_rng(0)
        for name in ("across", "along", "dots"):
            (self.data / name).mkdir(parents=True)
            for i in range(40):
                cv2.imwrite(str(self.data / name / f"{i}.png"), picture(name, rng))
        self.champion = self.trained("champion", self.data, seed=0)
        settings = plant(folder)
        label(settings, 40, "across", "along", "dots", seed=9)
        self.labels = open_labels(settings)
        self.settings = settings

    def trained(self, name: str, data: Path, seed: int) -> Path:
        recipe = replace(PLAIN, epochs=14)
        return train(data, TrainingPlan("steelnet_s", input_size=40, recipe=recipe, seed=seed), self.folder / name).onnx

    def judged(self, challenger: Path, **rules: Any) -> tuple[str, ...]:
        settings = self.settings.model_copy(update={"retrain": RetrainSettings(**{"min_speed": 0, **rules})})
        golden = self.labels.current().select("image", "label")
        return Trial(settings, self.labels, {"golden set": golden}).judge(self.champion, challenger).problems


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> Court:
    return Court(tmp_path_factory.mktemp("court"))


def changed(court: Court, name: str, **bias: float) -> Path:
    """The champion with something added to the bias of a class."""
    model, spec = load_torch(court.champion.with_suffix(".safetensors"))
    for label_, value in bias.items():
        model.network.head.bias.data[spec.classes.index(label_)] += value
    return exported(court, name, model, spec)


def exported(court: Court, name: str, model: Deployable, spec: ModelSpec) -> Path:
    path = court.folder / name / "model.onnx"
    path.parent.mkdir()
    export_onnx(model, spec, path, np.zeros((2, 1, 40, 40), np.uint8))
    save_torch(model, spec, path.with_suffix(".safetensors"))
    return path


def test_trained_on_shuffled_labels_is_refused(court: Court) -> None:
    shuffled = court.folder / "shuffled-data"
    rng = np.random.default_rng(1)
    for name in ("across", "along", "dots"):
        (shuffled / name).mkdir(parents=True)
    for file in sorted(court.data.rglob("*.png")):
        name = ("across", "along", "dots")[rng.integers(3)]
        (shuffled / name / f"{file.parent.name}-{file.name}").write_bytes(file.read_bytes())
    problems = court.judged(court.trained("shuffled", shuffled, seed=1))
    assert any("it is worse on the golden set" in problem for problem in problems)


def test_worse_in_a_single_class_is_refused(court: Court) -> None:
    problems = court.judged(changed(court, "one-class", dots=-100.0), max_drop=1.0)
    assert any("worse on class dots of the golden set: 0.0% of 40" in problem for problem in problems)
    assert not any("class across" in problem for problem in problems)


def test_a_broken_onnx_is_refused(court: Court) -> None:
    broken = changed(court, "cut")
    broken.write_bytes(broken.read_bytes()[:2000])
    (problem,) = court.judged(broken)
    assert "cannot be trusted" in problem
    assert "not an ONNX model" in problem


def test_an_onnx_that_is_not_its_torch_model_is_refused(court: Court) -> None:
    path = changed(court, "other-weights", dots=-1.0)
    tensors = load_file(court.champion.with_suffix(".safetensors"))
    model, spec = load_torch(path.with_suffix(".safetensors"))
    model.load_state_dict(tensors)
    save_torch(model, spec, path.with_suffix(".safetensors"))
    (problem,) = court.judged(path)
    assert "differs from model.safetensors by" in problem


def test_too_slow_is_refused(court: Court) -> None:
    problems = court.judged(changed(court, "same"), min_speed=50.0)
    assert any("too slow" in problem and "at least 50 is needed" in problem for problem in problems)


def test_the_champion_itself_is_not_better(court: Court) -> None:
    assert court.judged(changed(court, "twin")) == ("it is not better than the champion; the champion stays",)


def test_images_that_trained_the_champion_prove_nothing(court: Court) -> None:
    """A golden set of the folder that it was trained on: a fifth of it was held out."""
    labels, data = court.labels, load_images(court.data, 40)
    images = [labels.images.put((court.data / path).read_bytes()) for path in data.paths]
    golden = pl.DataFrame({"image": images, "label": [data.classes[label] for label in data.labels]})
    training, _ = split(data)
    twin = changed(court, "twin of images that it knows")
    (found,) = Trial(court.settings, labels, {"golden set": golden}).judge(court.champion, twin).comparisons
    assert (found.images, found.remembered) == (120, len(training))
    judged = Trial(court.settings, labels, {"golden set": golden[training]}).judge(court.champion, twin)
    assert judged.problems[-1] == "0 images that did not train the champion are too few to judge it by; label more"


@pytest.mark.slow
def test_killed_in_training_it_goes_on_and_leaves_no_half_version(tmp_path: Path) -> None:
    settings = plant(tmp_path)
    label(settings, 60, "across", "along")
    code = (
        "import sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path; from test_retrain import plant, run\n"
        "run(plant(Path(sys.argv[1])), tell=lambda text: print(text, flush=True))"
    )
    command = [sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent)]
    workplaces = set()
    for epoch in (2, 5):
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONWARNINGS": "ignore", "PYTHONPATH": str(SUPPORT)},
        ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if f"epoch {epoch} of" in line:
                    os.kill(child.pid, signal.SIGKILL)
                    break
        registry = open_registry(settings)
        assert [version.version for version in registry.versions()] in ([], ["v1"])
        assert records(registry.store) == []
        workplaces |= {path.name for path in (settings.home / "retrain").iterdir()}
        time.sleep(0.1)
    assert len(workplaces) == 1, "checkpoints are found again"
    result = run(settings)
    assert result.state == "promoted"
    assert [version.version for version in open_registry(settings).versions()] == ["v1", "v2"]
    json.dumps(result.to_dict())


RETRAINS = """
import sys
from pathlib import Path
from test_retrain import plant, run
settings = plant(Path(sys.argv[1]))
print("ready", flush=True)
run(settings)
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_at_any_moment_it_ends_with_the_next_run(tmp_path: Path) -> None:
    settings = plant(tmp_path)
    label(settings, 60, "across", "along")
    (tmp_path / "whole").mkdir()
    label(plant(tmp_path / "whole"), 60, "across", "along")
    within = seconds_of(RETRAINS, tmp_path / "whole")
    for seed in range(20):
        kill(RETRAINS, tmp_path, within=within, seed=seed)
        registry = open_registry(settings)
        found = [version.version for version in registry.versions()]
        assert found in ([], ["v1"], ["v1", "v2"]), f"seed {seed}"
        assert all(entry.version in found for entry in registry.log()), f"seed {seed}"
    run(settings)
    champion = open_registry(settings).champion()
    assert champion is not None
    assert champion.version == "v2"
    assert [version.version for version in open_registry(settings).versions()] == ["v1", "v2"]


def test_training_by_hand_takes_what_the_label_store_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from steelflow.cli.main import app

    label(plant(tmp_path), 12, "across", "along")
    config = tmp_path / "steelflow.toml"
    config.write_text(f'[report]\nuri = "{tmp_path / "reports"}"\n[archive]\nuri = "{tmp_path / "images"}"\n')
    monkeypatch.chdir(tmp_path)
    command = ["--config", str(config), "train", "--data", "labels", "--out", "out", "--arch", "steelnet_s"]
    result = CliRunner().invoke(app, [*command, "--epochs", "1", "--input-size", "40", "--json"])
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert record["model"]["classes"] == ["across", "along"]
    assert sum(record["images"].values()) == 24


def test_the_next_model_has_the_names_of_today(settings: Settings) -> None:
    label(settings, 60, "across", "along")
    assert run(settings).state == "promoted"
    open_labels(settings).change_class("rename", "along", "lengthwise", who="olga", reason="our word")
    assert due(settings) is not None
    result = run(settings)
    assert result.challenger is not None, result.text
    assert open_registry(settings).version(result.challenger).classes == ("across", "lengthwise")
    assert result.details.gate is not None
    golden = result.details.gate.comparisons[0]
    assert set(golden.classes) == {"across", "lengthwise"}
    assert golden.champion > 0.95, "the champion is not taken for wrong because of a name"
    assert due(settings) is None, "a retraining has decided on it"
