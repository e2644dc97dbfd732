"""Training as a whole: it learns, writes everything or nothing, and is told in one line what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toys import PLAIN, stripes, write
from typer.testing import CliRunner

from steelflow.cli.main import app
from steelflow.errors import ConfigError, ModelError
from steelflow.models.deployable import load_torch
from steelflow.models.seen import seen
from steelflow.training import checkpoint, loop, robustness, sweep
from steelflow.training.data import load_folder, split
from steelflow.training.method import Method
from steelflow.training.train import TrainingPlan, train
from steelflow.training.trained import train_in_memory
from steelflow.training.transfer import Phases

# robustness and the choice of the input size


def test_conditions_do_what_they_are_called() -> None:
    pictures = np.stack([stripes(i % 2 == 1, np.random.default_rng(i), 60, 60) for i in range(4)])
    x = pictures.astype(float)
    seen = {name: c(pictures, np.random.default_rng(0)) for name, c in robustness.CONDITIONS.items()}
    assert all(y.shape == pictures.shape and y.dtype == np.uint8 for y in seen.values())
    np.testing.assert_allclose(seen["luminance -40 %"], 0.6 * x, atol=0.51)
    np.testing.assert_allclose(seen["luminance +40 %"], (1.4 * x).clip(0, 255), atol=0.51)
    snr = 10 * np.log10((x**2).mean() / ((seen["noise 35 dB"] - x) ** 2).mean())
    assert abs(snr - 35) < 1
    # A blur along the rows leaves stripes alone that run along the rows, and wipes out those across them.
    spread = seen["motion blur 5"].std((1, 2)) / pictures.std((1, 2))
    assert spread[0] > 0.9
    assert spread[1] < 0.8


def test_a_sweep_records_every_run_and_continues_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "images_per_second", lambda *_: 1)
    data, out = write(tmp_path / "data", 4), tmp_path / "results" / "sweep.json"
    for seeds in ("0", "0,1"):
        sweep.main(data, out, sizes="32", seeds=seeds, epochs=1, native=40)
    runs = json.loads(out.read_text())["runs"]
    assert [(r["size"], r["seed"]) for r in runs] == [(32, 0), (32, 1)]
    assert runs[0]["under_disturbance"].keys() == robustness.CONDITIONS.keys()


# the loop and the whole


def test_training_on_toys_learns_and_writes_everything(tmp_path: Path) -> None:
    epochs: list[loop.Progress] = []
    data, out = write(tmp_path / "data", 40), tmp_path / "out"
    result = train(
        data,
        TrainingPlan("ssdc_mininet", epochs=12, input_size=32, name="toy", recipe=PLAIN),
        out,
        on_epoch=epochs.append,
    )
    assert result.evaluation.accuracy >= 0.9
    assert [p.epoch for p in epochs] == list(range(1, 13))
    assert epochs[-1].loss < epochs[0].loss
    names = ["metrics.json", "toy.curves.png", "toy.md", "toy.onnx", "toy.safetensors"]
    assert sorted(f.name for f in out.iterdir()) == names
    record = json.loads(result.metrics.read_text())
    assert record["held_out"]["images"] == 16
    assert record["images"] == {"training": 64, "validation": 0, "held_out": 16}
    assert record["parity"] <= 1e-4
    assert record["curves"]["loss"] == [p.loss for p in epochs]
    assert record["curves"]["validation_accuracy"] == [None] * 12
    model, spec = load_torch(result.weights)
    assert spec == result.spec
    assert "toy" in result.card.read_text()
    whole = load_folder(data, 32)
    _, held_out = split(whole, 0.2, seed=0)
    with torch.no_grad():
        decided = model(torch.from_numpy(whole.images[held_out])[:, None])[0].argmax(1).numpy()
    assert (decided == whole.labels[held_out]).mean() == result.evaluation.accuracy


def test_on_all_trains_the_written_model_on_every_image_and_keeps_the_figures_of_the_first(tmp_path: Path) -> None:
    data = write(tmp_path / "data", 10)
    plan = TrainingPlan("ssdc_mininet", epochs=2, input_size=32, name="toy", recipe=PLAIN)
    once = train(data, plan, tmp_path / "once")
    twice = train(data, replace(plan, on_all=True), tmp_path / "twice")
    assert once.trained_on == 16
    assert twice.trained_on == 20
    assert twice.evaluation == once.evaluation
    record = json.loads(twice.metrics.read_text())
    assert record["on_all"]
    assert record["held_out"] == json.loads(once.metrics.read_text())["held_out"]
    assert "on all images" in twice.card.read_text()
    assert "on all images" not in once.card.read_text()
    for result, number in ((once, 16), (twice, 20)):
        assert seen(str(result.onnx), "0" * 64, load_folder(data, 32).digests) == number
    states = [load_torch(result.weights)[0].state_dict() for result in (once, twice)]
    assert any(not torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not list((tmp_path / "twice").glob("*checkpoint*"))


def test_on_all_resumes_in_the_training_that_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    data = write(tmp_path / "data", 10)
    plan = TrainingPlan("ssdc_mininet", epochs=3, input_size=32, name="toy", recipe=PLAIN, on_all=True)
    whole = train(data, plan, tmp_path / "whole")
    for stop in (2, 5):  # in the first training, in the second one
        seen = 0

        def interrupt(_: loop.Progress, stop: int = stop) -> None:
            nonlocal seen
            seen += 1
            if seen == stop:
                raise KeyboardInterrupt

        out = tmp_path / f"resumed-{stop}"
        with pytest.raises(KeyboardInterrupt):
            train(data, plan, out, on_epoch=interrupt)
        resumed = train(data, plan, out)
        assert resumed.evaluation == whole.evaluation
        assert resumed.weights.read_bytes() == whole.weights.read_bytes()


def test_the_same_seed_gives_the_same_weights_and_leaves_torchs_generator_alone(tmp_path: Path) -> None:
    data = write(tmp_path / "data", 6)
    state = torch.get_rng_state()
    files = [
        train(
            data, TrainingPlan("ssdc_mininet", epochs=2, seed=seed, input_size=32, recipe=PLAIN), tmp_path / f"{i}"
        ).weights
        for i, seed in enumerate((0, 0, 1))
    ]
    assert torch.equal(state, torch.get_rng_state())
    first, again, other = (file.read_bytes() for file in files)
    assert first == again
    assert first != other


def test_two_images_a_class_are_enough_to_run(tmp_path: Path) -> None:
    result = train(
        write(tmp_path / "data", 2),
        TrainingPlan("ssdc_mininet", epochs=1, input_size=32, recipe=PLAIN),
        tmp_path / "out",
    )
    assert result.trained_on == 2


def test_bad_arguments_are_refused_before_work_begins(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="epochs is 0"):
        train(tmp_path, TrainingPlan("ssdc_mininet", epochs=0), tmp_path / "out")
    with pytest.raises(ConfigError, match="input size is 8"):
        train(tmp_path, TrainingPlan("ssdc_mininet", input_size=8), tmp_path / "out")
    data = write(tmp_path / "data", 2)
    with pytest.raises(ModelError, match="no architecture 'nope'"):
        train(data, TrainingPlan("nope"), tmp_path / "out")
    with pytest.raises(ModelError, match="'nope': no such model"):
        train(tmp_path / "no data", TrainingPlan("ssdc_mininet", teachers=["nope"]), tmp_path / "out")
    with pytest.raises(ConfigError, match="--on-all has none"):
        train(data, TrainingPlan("ssdc_mininet", changes={"patience": 2}, on_all=True), tmp_path / "out")
    with pytest.raises(ConfigError, match="no device 'abacus'"):
        train(data, TrainingPlan("ssdc_mininet", device="abacus"), tmp_path / "out")
    with pytest.raises(ConfigError, match="learning_rate is -1"):
        train(data, TrainingPlan("ssdc_mininet", changes={"learning_rate": -1}), tmp_path / "out")
    with pytest.raises(ConfigError, match="omit the learning rate"):
        train(data, TrainingPlan("ssdc_mininet", pretrained=True, changes={"learning_rate": 0.1}), tmp_path / "out")
    with pytest.raises(ModelError, match="no ImageNet weights"):
        train(data, TrainingPlan("ssdc_mininet", pretrained=True), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_export_that_fails_leaves_no_model_and_does_not_lose_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = write(tmp_path / "data", 2), tmp_path / "out"
    with monkeypatch.context() as broken:
        broken.setattr("steelflow.training.export.parity", lambda *_: 1.0)
        with pytest.raises(ModelError, match="differ by"):
            train(data, TrainingPlan("ssdc_mininet", epochs=2, input_size=32, recipe=PLAIN), out)
    assert [file.name for file in out.iterdir()] == ["ssdc_mininet.checkpoint.safetensors"]
    result = train(data, TrainingPlan("ssdc_mininet", epochs=2, input_size=32, recipe=PLAIN), out)
    assert (result.epochs, result.resumed_after) == (2, 2)
    assert not list(out.glob("*checkpoint*"))


def test_early_stop_holds_out_a_part_of_the_training_images_and_the_card_says_so(tmp_path: Path) -> None:
    data = write(tmp_path / "data", 20)
    result = train(
        data,
        TrainingPlan("ssdc_mininet", epochs=4, input_size=32, recipe=PLAIN, changes={"patience": 1}),
        tmp_path / "out",
    )
    record = json.loads(result.metrics.read_text())
    assert record["images"] == {"training": 28, "validation": 4, "held_out": 8}
    assert all(value is not None for value in record["curves"]["validation_loss"])
    assert f"of epoch {record['kept_epoch']}" in result.card.read_text()
    whole = load_folder(data, 32)
    training, held_out = split(whole, 0.2, seed=0)
    rest, validation = split(whole, 0.1, seed=0, among=training)
    assert sorted([*rest, *validation]) == training.tolist()
    assert not set(validation) & set(held_out)


def test_the_command_takes_a_manifest_a_size_and_a_teacher(tmp_path: Path) -> None:
    root = write(tmp_path / "data", 6)
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in sorted(root.glob("*/*.png"))]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows, "data/missing.png,along"]))
    arguments = ["--data", tmp_path / "labels.csv", "--arch", "ssdc_mininet", "--epochs", 1, "--json"]
    found = command("train", *arguments, "--out", tmp_path / "teacher", "--input-size", 48)
    assert (found["trained_on"], found["skipped"], found["epochs"]) == (10, 1, 1)
    taught = command("train", *arguments, "--out", tmp_path / "out", "--input-size", 32, "--teacher", found["model"])
    record = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert record["model"]["input_size"] == 32
    assert record["teachers"][0]["ref"] == found["model"]
    assert "distilled from" in Path(taught["card"]).read_text()


def test_a_network_with_a_backbone_is_trained_in_two_phases(tmp_path: Path) -> None:
    data = load_folder(write(tmp_path / "data", 5), 32)
    trained = train_in_memory(
        data, "mobilenet_v2_transfer", PLAIN, 0, method=Method(phases=Phases(head_epochs=1, tail_epochs=1))
    )
    assert [(p.epoch, p.learning_rate < 1e-4) for p in trained.history.curves] == [(1, False), (2, True)]
    assert trained.evaluation.images == 2
    with pytest.raises(ModelError, match="SSDCMiniNet has no backbone"):
        train_in_memory(data, "ssdc_mininet", PLAIN, 0, method=Method(phases=Phases()))


def command(*arguments: object) -> dict[str, Any]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer
