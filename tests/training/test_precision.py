"""Training in bfloat16: the steps alone, chosen by measurement, and resumed in what was chosen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from interrupted import Killed, kill_at, network
from networks import centred, dark_and_bright, transfer
from torch import Tensor, nn
from toys import PLAIN, write

from steelflow.errors import ConfigError, DataError
from steelflow.selection.reproduce import reproduce
from steelflow.training import checkpoint, loop, precision
from steelflow.training.checkpoint import Checkpoint
from steelflow.training.precision import Precision, checked, choose_precision
from steelflow.training.train import TrainingPlan, train
from steelflow.training.transfer import Phases, fit_in_phases

IMAGES, LABELS = dark_and_bright(20, 12)
VALIDATION = dark_and_bright(8, 8, seed=1)


class Watching(nn.Module):
    """Keeps the types that its layer gives, while it learns and while it is judged."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 2, 4)
        self.seen: set[tuple[bool, torch.dtype]] = set()

    def __deepcopy__(self, memo: object) -> Watching:
        copied = Watching()
        copied.load_state_dict(self.state_dict())
        copied.seen = self.seen
        return copied

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x)
        self.seen.add((self.training, x.dtype))
        return x.mean((2, 3))


def timed(monkeypatch: pytest.MonkeyPatch, fp32: float, bf16: float) -> None:
    seconds: dict[Precision, float] = {"fp32": fp32, "bf16": bf16}
    monkeypatch.setattr(precision, "has_bf16", lambda _: True)
    monkeypatch.setattr(precision, "_step", lambda *arguments: seconds[arguments[-1]])


def test_the_steps_are_in_bfloat16_and_all_else_is_not() -> None:
    net = Watching()
    history = loop.fit(net, centred, IMAGES, LABELS, PLAIN, 0, precision="bf16", validation=VALIDATION)
    assert history.precision == "bf16"
    assert net.seen == {(True, torch.bfloat16), (False, torch.float32)}
    assert {tensor.dtype for tensor in net.state_dict().values()} == {torch.float32}
    assert all(parameter.grad is None or parameter.grad.dtype == torch.float32 for parameter in net.parameters())
    assert loop.fit(Watching(), centred, IMAGES, LABELS, PLAIN, 0).precision == "fp32"


@pytest.mark.parametrize(
    ("fp32", "bf16", "better"), [(1.0, 0.5, "bf16"), (1.0, 0.89, "bf16"), (1.0, 0.95, "fp32"), (1.0, 1.7, "fp32")]
)
def test_auto_takes_bfloat16_only_where_it_is_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, fp32: float, bf16: float, better: str
) -> None:
    timed(monkeypatch, fp32, bf16)
    assert choose_precision("auto", network(), centred, IMAGES, LABELS) == better
    assert choose_precision("fp32", network(), centred, IMAGES, LABELS) == "fp32"


def test_auto_does_not_take_it_where_the_processor_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    timed(monkeypatch, 1.0, 0.1)
    monkeypatch.setattr(precision, "has_bf16", lambda _: False)
    assert choose_precision("auto", network(), centred, IMAGES, LABELS) == "fp32"


def test_measuring_changes_neither_the_network_nor_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda _: True)
    net = network()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    torch.manual_seed(7)
    assert choose_precision("auto", net, centred, IMAGES, LABELS) in ("fp32", "bf16")
    drawn = torch.rand(3)
    torch.manual_seed(7)
    assert torch.equal(drawn, torch.rand(3))
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_resumed_training_keeps_what_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bit, also where another moment's measurement says otherwise."""
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    file = tmp_path / "x.checkpoint.safetensors"

    def run(net: nn.Module, kept: Checkpoint | None, on_epoch: Callable[..., None] | None = None) -> loop.History:
        return loop.fit(net, centred, IMAGES, LABELS, PLAIN, 5, precision="auto", checkpoint=kept, on_epoch=on_epoch)

    timed(monkeypatch, 1.0, 0.5)
    straight, resumed, other = network(), network(), network()
    run(straight, None)
    for stop in (2, 3):
        with pytest.raises(Killed):
            run(network(), Checkpoint(file, {}), kill_at(stop))
        timed(monkeypatch, 0.5, 1.0)
    history = run(resumed, Checkpoint(file, {}))
    assert (history.resumed_after, history.precision) == (3, "bf16")
    assert run(other, None).precision == "fp32"
    weights = [net.state_dict() for net in (straight, resumed, other)]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    assert not all(torch.equal(tensor, weights[2][name]) for name, tensor in weights[0].items())


def test_both_phases_are_in_the_precision_that_the_first_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def choose(wanted: str, *_: object) -> str:
        asked.append(wanted)
        return "bf16"

    monkeypatch.setattr(loop, "choose_precision", choose)
    phases = Phases(head_epochs=1, tail_epochs=1, tail_layers=2)
    history = fit_in_phases(transfer(), centred, IMAGES, LABELS, PLAIN, 0, phases, precision="auto")
    assert (asked, history.precision) == (["auto", "bf16"], "bf16")


def test_train_records_the_precision(tmp_path: Path) -> None:
    data = write(tmp_path / "data", 10)
    result = train(data, TrainingPlan("steelnet_s", epochs=1, input_size=32, precision="bf16"), tmp_path / "out")
    assert result.precision == "bf16"
    assert json.loads(result.metrics.read_text())["precision"] == "bf16"
    with pytest.raises(ConfigError, match=r"no precision 'fp16'; give one of fp32, bf16, auto"):
        checked("fp16")


def test_reproduce_does_not_mix_what_was_asked_for(tmp_path: Path) -> None:
    data = write(tmp_path / "data", 20)

    def run(wanted: precision.Wanted) -> list[str]:
        found = reproduce(
            "lee", data, tmp_path / "out", arch="steelnet_s", seeds=[0], epochs=1, recipe="ours", precision=wanted
        )
        return [run["precision"] for run in found["runs"]]

    assert run("bf16") == ["bf16"]
    assert run("auto") == ["bf16"]
    with pytest.raises(DataError, match="has seed 0 in bf16; name another folder with --out to run it in fp32"):
        run("fp32")
