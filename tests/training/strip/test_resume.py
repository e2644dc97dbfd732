"""An interrupted training on views goes on where it was, to the bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from steelflow.errors import TrainingError
from steelflow.training import checkpoint
from steelflow.training.annotations import Annotations, load_annotations
from steelflow.training.strip.fit import StripProgress
from steelflow.training.strip.plan import StripPlan
from steelflow.training.strip.train import train_strip
from tests.support.strips import write_strips

PLAN = StripPlan(view=64, steps=4, rounds=2, batch=4, false_alarms=0.1, held_out=0.25, device="cpu")

TRAINING = """
import sys
from pathlib import Path
from steelflow.training import checkpoint
from steelflow.training.annotations import load_annotations
from steelflow.training.strip.plan import StripPlan
from steelflow.training.strip.train import train_strip
checkpoint.SECONDS = 0.0
plan = StripPlan(view=64, steps=4, rounds=2, batch=4, false_alarms=0.1, held_out=0.25, device="cpu")
train_strip(load_annotations(Path(sys.argv[1]), good=("free",)), Path(sys.argv[2]), plan, on_step=print)
"""


class Killed(BaseException):
    pass


def kill_after(steps: int) -> Callable[[StripProgress], None]:
    left = iter(range(steps - 1))

    def on_step(_: StripProgress) -> None:
        if next(left, None) is None:
            raise Killed

    return on_step


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_strips(tmp_path_factory.mktemp("strips"))


@pytest.fixture(scope="module")
def strips(data: Path) -> Annotations:
    return load_annotations(data, good=("free",))


@pytest.fixture(scope="module")
def teacher(strips: Annotations, tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = replace(PLAN, steps=2, rounds=1, name="teacher")
    return train_strip(strips, tmp_path_factory.mktemp("teacher"), plan).onnx


@pytest.fixture(autouse=True)
def _every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"precision": "bf16", "teacher": "yes", "pool": 12},
        pytest.param({"arch": "strip_wide", "batch": 2}, marks=pytest.mark.slow),
    ],
    ids=["new views", "a teacher's pool, bf16", "dropout and a frozen backbone"],
)
def test_a_resumed_training_equals_an_uninterrupted_one(
    changes: dict[str, object], strips: Annotations, teacher: Path, tmp_path: Path
) -> None:
    plan = replace(PLAN, **changes | ({"teacher": str(teacher)} if "teacher" in changes else {}))  # type: ignore[arg-type]  # names of fields
    straight = train_strip(strips, tmp_path / "straight", plan)
    for steps in (1, 4):  # the second time in the second round
        with pytest.raises(Killed):
            train_strip(strips, tmp_path / "resumed", plan, on_step=kill_after(steps))
    resumed = train_strip(strips, tmp_path / "resumed", plan)
    assert resumed.weights.read_bytes() == straight.weights.read_bytes()
    assert not list((tmp_path / "resumed").glob("*.checkpoint.*"))


def test_a_killed_process_leaves_a_checkpoint_that_gives_the_same_weights(
    data: Path, strips: Annotations, tmp_path: Path
) -> None:
    straight = train_strip(strips, tmp_path / "straight", PLAN)
    call = [sys.executable, "-u", "-c", TRAINING, str(data), str(tmp_path / "killed")]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}) as child:
        assert child.stdout is not None
        for _ in range(3):
            assert child.stdout.readline().startswith("StripProgress")
        child.send_signal(signal.SIGKILL)
    assert list((tmp_path / "killed").glob("*.checkpoint.*"))
    assert not list((tmp_path / "killed").glob("strip.onnx"))
    resumed = train_strip(strips, tmp_path / "killed", PLAN)
    assert resumed.weights.read_bytes() == straight.weights.read_bytes()


def test_the_checkpoint_of_another_training_is_refused(strips: Annotations, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train_strip(strips, tmp_path, PLAN, on_step=kill_after(1))
    with pytest.raises(TrainingError, match=r"another training \(other plan\.seed, training\)"):
        train_strip(strips, tmp_path, replace(PLAN, seed=1))
    train_strip(strips, tmp_path, replace(PLAN, operating_point=0.5))
