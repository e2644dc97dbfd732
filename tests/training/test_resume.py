"""An interrupted training goes on where it was, to the bit, and never with the state of another one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from interrupted import Killed, kill_at, network
from networks import centred, dark_and_bright, transfer
from paths import SUPPORT
from safetensors.torch import load_file
from torch import Tensor, nn
from toys import PLAIN, write

from steelflow.errors import TrainingError
from steelflow.training import checkpoint, loop
from steelflow.training.augment import Augmentation
from steelflow.training.checkpoint import Checkpoint
from steelflow.training.recipe import Recipe
from steelflow.training.state import Progress
from steelflow.training.train import TrainingPlan, train
from steelflow.training.transfer import Phases, fit_in_phases

IMAGES, LABELS = dark_and_bright(20, 12)
VALIDATION = dark_and_bright(8, 8, seed=1)


@pytest.fixture(autouse=True)
def _every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(epochs=6, batch_size=8),
        Recipe(epochs=6, batch_size=8, optimizer="sgd", schedule="step", step_epochs=2, averaging=0, learning_rate=0.1),
        Recipe(epochs=6, batch_size=8, optimizer="sgd", momentum=0),
        Recipe(epochs=6, batch_size=8, optimizer="adam", mixup=0.4, cutmix=1.0),
        Recipe(epochs=6, batch_size=8, augmentation=Augmentation(quarter_turns=True, rotation=20, zoom=0.2)),
        Recipe(epochs=6, batch_size=8, patience=6),
    ],
    ids=["default", "sgd", "no momentum", "mixing", "rotation", "patience"],
)
def test_a_resumed_training_equals_an_uninterrupted_one(recipe: Recipe, tmp_path: Path) -> None:
    file = tmp_path / "x.checkpoint.safetensors"

    def run(net: nn.Module, kept: Checkpoint | None, on_epoch: Callable[[Progress], None] | None) -> loop.History:
        return loop.fit(
            net, centred, IMAGES, LABELS, recipe, 5, validation=VALIDATION, checkpoint=kept, on_epoch=on_epoch
        )

    straight, resumed = network(), network()
    whole = run(straight, None, None)
    for stop in (2, 3):
        with pytest.raises(Killed):
            run(network(), Checkpoint(file, {"seed": 5}), kill_at(stop))
    torch.manual_seed(99)  # whatever the process has drawn before
    history = run(resumed, Checkpoint(file, {"seed": 5}), None)
    assert (history.resumed_after, history.kept) == (3, whole.kept)
    assert [replace(p, seconds=0) for p in history.curves] == [replace(p, seconds=0) for p in whole.curves]
    assert [p.seconds for p in history.curves] == sorted(p.seconds for p in history.curves)
    for name, tensor in straight.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_phases_resume_in_the_phase_that_was_interrupted(tmp_path: Path) -> None:
    phases = Phases(head_epochs=2, tail_epochs=3, tail_rate=1e-3, tail_layers=2)

    def run(stop: int | None, kept: Checkpoint | None) -> tuple[nn.Module, loop.History]:
        net = transfer()
        on_epoch = kill_at(stop) if stop is not None else None
        return net, fit_in_phases(net, centred, IMAGES, LABELS, PLAIN, 0, phases, checkpoint=kept, on_epoch=on_epoch)

    straight, whole = run(None, None)
    for stop in (1, 2, 4):
        with pytest.raises(Killed):
            run(stop, Checkpoint(tmp_path / "x.checkpoint.safetensors", {}))
    last = Checkpoint(tmp_path / "x.checkpoint.safetensors", {})
    resumed, history = run(None, last)
    assert history.resumed_after == 4
    assert [(p.epoch, p.loss) for p in history.curves] == [(p.epoch, p.loss) for p in whole.curves]
    assert all(torch.equal(tensor, resumed.state_dict()[name]) for name, tensor in straight.state_dict().items())
    assert len(list(tmp_path.iterdir())) == 2
    last.remove()
    assert not list(tmp_path.iterdir())


def test_a_short_training_writes_only_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    kept = Checkpoint(tmp_path / "x.checkpoint.safetensors", {})
    there: list[bool] = []
    loop.fit(
        network(),
        centred,
        IMAGES,
        LABELS,
        PLAIN,
        0,
        checkpoint=kept,
        on_epoch=lambda _: there.append(kept.path.exists()),
    )
    assert there == [False] * 5 + [True]


def test_the_checkpoint_of_another_training_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "x.checkpoint.safetensors"
    fingerprint = {"arch": "a", "seed": 1, "recipe": {"epochs": 6, "augmentation": {"shift": 0.0}}, "teachers": ["x"]}
    loop.fit(network(), centred, IMAGES, LABELS, PLAIN, 0, checkpoint=Checkpoint(file, fingerprint))
    before = file.read_bytes()
    other = {**fingerprint, "seed": 2, "recipe": {"epochs": 6, "augmentation": {"shift": 0.1}}}
    with pytest.raises(TrainingError, match=r"another training \(other recipe\.augmentation\.shift, seed\); .*delete"):
        loop.fit(network(), centred, IMAGES, LABELS, PLAIN, 0, checkpoint=Checkpoint(file, other))
    assert file.read_bytes() == before


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.checkpoint.safetensors"
    loop.fit(network(), centred, IMAGES, LABELS, PLAIN, 0, checkpoint=Checkpoint(file, {}))
    whole = file.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"x" * 100):
        file.write_bytes(damaged)
        with pytest.raises(
            TrainingError, match=r"x\.checkpoint\.safetensors: cannot be read as a checkpoint .*delete it"
        ):
            loop.fit(network(), centred, IMAGES, LABELS, PLAIN, 0, checkpoint=Checkpoint(file, {}))
    file.write_bytes(whole)
    with pytest.raises(TrainingError, match="cannot be read as a checkpoint"):  # of another network
        loop.fit(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), centred, IMAGES, LABELS, PLAIN, 0,
                 checkpoint=Checkpoint(file, {}))  # fmt: skip


def test_a_checkpoint_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    kept = Checkpoint(tmp_path / "file" / "x.checkpoint.safetensors", {})
    with pytest.raises(TrainingError, match="cannot be written"):
        loop.fit(network(), centred, IMAGES, LABELS, PLAIN, 0, checkpoint=kept)


def test_what_a_kill_left_half_written_is_not_read_and_not_left(tmp_path: Path) -> None:
    kept = Checkpoint(tmp_path / "x.checkpoint.safetensors", {})
    (tmp_path / ".x.checkpoint.safetensors.partial").write_bytes(b"half")
    history = loop.fit(network(), centred, IMAGES, LABELS, PLAIN, 0, checkpoint=kept)
    assert history.resumed_after == 0
    assert [file.name for file in tmp_path.iterdir()] == [kept.path.name]


class BreaksLater(nn.Module):
    """Its loss breaks in the tenth batch; it counts in its state, so a resumed one breaks in the same."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 2)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.layer(x.mean((2, 3))) / (0.0 if self.calls >= 10 else 1.0)


def test_a_resumed_training_whose_loss_breaks_names_the_same_good_weights(tmp_path: Path) -> None:
    rescued = []
    for run in ("first", "resumed"):
        torch.manual_seed(0)
        rescue = tmp_path / f"{run}.safetensors"
        with pytest.raises(TrainingError, match=rf"epoch 3: .*last good weights: .*{run}\.safetensors"):
            loop.fit(
                BreaksLater(), centred, IMAGES, LABELS, PLAIN, 0,
                checkpoint=Checkpoint(tmp_path / "x.checkpoint.safetensors", {}), rescue=rescue,
            )  # fmt: skip
        rescued.append(load_file(rescue))
    assert all(torch.equal(rescued[0][name], rescued[1][name]) for name in rescued[0])
    assert all(tensor.isfinite().all() for tensor in rescued[0].values())


KILLED = """
import sys, time
from pathlib import Path
from toys import PLAIN
from steelflow.training import checkpoint
from steelflow.training.train import TrainingPlan, train

checkpoint.SECONDS = 0.0

def on_epoch(progress):
    print(progress.epoch, flush=True)
    if progress.epoch == 6:
        time.sleep(600)

data, out = map(Path, sys.argv[1:3])
plan = TrainingPlan("ssdc_mininet", epochs=8, seed=1, input_size=32, recipe=PLAIN, precision=sys.argv[3])
train(data, plan, out, on_epoch)
"""


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_that_was_killed_ends_with_the_weights_of_one_that_was_not(tmp_path: Path, precision: str) -> None:
    data, out = write(tmp_path / "data", 30), tmp_path / "out"
    environment = os.environ | {"PYTHONPATH": str(SUPPORT)}
    command = [sys.executable, "-c", KILLED, str(data), str(out), precision]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "3":
                process.kill()  # in the middle of the fourth epoch, or a little later
                break
        process.wait()
    assert not list(out.glob("*.onnx"))
    options = {"epochs": 8, "seed": 1, "input_size": 32, "recipe": PLAIN, "precision": precision}
    resumed = train(data, TrainingPlan("ssdc_mininet", **options), out)
    straight = train(data, TrainingPlan("ssdc_mininet", **options), tmp_path / "straight")
    assert 3 <= resumed.resumed_after <= 6
    assert resumed.weights.read_bytes() == straight.weights.read_bytes()
    assert resumed.onnx.read_bytes() == straight.onnx.read_bytes()
    losses = [json.loads(result.metrics.read_text())["curves"]["loss"] for result in (resumed, straight)]
    assert losses[0] == losses[1]
    assert sorted(file.name for file in out.iterdir()) == sorted(
        file.name for file in (tmp_path / "straight").iterdir()
    )
