"""Candidates that a node of a Ray cluster trains: placed, lost, and given back to the driver."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ray_cluster import Nodes, actors, environment_of, links, parent
from toys import label_stripes

from steelflow.config import ArchiveSettings, ReportSettings, RetrainSettings, SelectionSettings, Settings
from steelflow.registry import open_registry
from steelflow.retrain import RetrainResult, retrain

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed"),
]

SECRET = "do-not-tell-91ab"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    with pytest.MonkeyPatch.context() as patch:
        nodes = Nodes(patch)
        yield nodes
        nodes.end()


@pytest.fixture
def settings(cluster: Nodes, tmp_path: Path) -> Settings:
    (tmp_path / "images").mkdir()
    made = Settings(
        home=tmp_path / "home",
        archive=ArchiveSettings(uri=str(tmp_path / "images")),
        report=ReportSettings(uri=str(tmp_path / "reports")),
        selection=SelectionSettings(arch="steelnet_s"),
        retrain=RetrainSettings(epochs=6, min_labels=20, cooldown_hours=0, min_speed=0),
        executor=cluster.settings(patience=15),
    )
    label_stripes(made, 60)
    return made


class Heard:
    """What a retraining tells. ``at`` has what to do at the first text that begins so."""

    def __init__(self, at: dict[str, Callable[[], object]] | None = None) -> None:
        self.texts: list[str] = []
        self._at = dict(at or {})

    def __call__(self, text: str) -> None:
        self.texts.append(text)
        for start in [start for start in self._at if text.startswith(start)]:
            self._at.pop(start)()

    def said(self, part: str) -> int:
        return sum(part in text for text in self.texts)


def run(settings: Settings, heard: Heard, node: str | None = None) -> RetrainResult:
    rules = settings.retrain if node is None else settings.retrain.model_copy(update={"node": node})
    asked = settings.model_copy(update={"retrain": rules})
    return retrain(asked, trigger="manual", reason="a test", who="ann", tell=heard)


def test_a_node_with_a_gpu_trains_and_gets_no_secret(
    cluster: Nodes, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch

    cluster.start()
    cluster.start(gpus=1)
    monkeypatch.setenv("STEELFLOW_STORE__SECRET_KEY", SECRET)  # the driver's alone
    seen: list[bytes] = []
    nodes: list[int] = []

    def look() -> None:
        seen.extend(map(environment_of, [*actors("Porter"), *links()]))
        nodes.extend(map(parent, actors("Porter")))

    heard = Heard({"from scratch: epoch 2": look})
    result = run(settings, heard)
    assert result.state == "promoted", result.text
    assert result.details.node == f"{os.uname().nodename}, {'cuda' if torch.cuda.is_available() else 'cpu'}"
    assert heard.said("training on") == 1
    assert len(seen) == 2
    assert not any(SECRET.encode() in one for one in seen)
    assert [name for name, text in cluster.logs().items() if SECRET.encode() in text] == []
    assert nodes == [cluster.raylet(1)]
    assert not actors("Porter")
    champion = open_registry(settings).champion()
    assert champion is not None
    assert {"model.onnx", "model.safetensors", "metrics.json", "card.md"} <= set(champion.files)
    assert not list((settings.home / "retrain").glob("*"))
    cluster.kill()


def test_without_a_free_gpu_the_driver_trains_or_any_node(cluster: Nodes, settings: Settings) -> None:
    cluster.start(1 - len(cluster.nodes))
    heard = Heard()
    result = run(settings, heard)
    assert (result.state, result.details.node) == ("promoted", None)
    assert heard.said("trained on this machine: no node of the cluster has 1 free cores and a free GPU") == 1
    label_stripes(settings, 40, seed=1)
    assert run(settings, Heard(), "any").details.node is not None


def test_a_killed_node_is_replaced_by_another(cluster: Nodes, settings: Settings) -> None:
    cluster.start(1 - len(cluster.nodes))

    def replace() -> None:
        cluster.kill()
        cluster.start()

    heard = Heard({"from scratch: epoch 3": replace})
    result = run(settings, heard, "any")
    assert (result.state, result.details.node is not None) == ("promoted", True)
    assert heard.said("the node or its process ended; another try") == 1


def test_without_another_node_the_driver_trains(cluster: Nodes, settings: Settings) -> None:
    cluster.start(1 - len(cluster.nodes))
    heard = Heard({"from scratch: epoch 3": cluster.kill})
    result = run(settings, heard, "any")
    assert (result.state, result.details.node) == ("promoted", None)
    assert heard.said("trained on this machine: ") == 1


def test_a_killed_process_is_replaced_on_the_same_node(cluster: Nodes, settings: Settings) -> None:
    cluster.start(1 - len(cluster.nodes))
    ended = actors("Porter")  # of the tests before: they may take a while to go

    def kill() -> None:
        os.kill(next(pid for pid in actors("Porter") if pid not in ended), signal.SIGKILL)

    heard = Heard({"from scratch: epoch 1": kill})
    result = run(settings, heard, "any")
    assert (result.state, result.details.node is not None) == ("promoted", True)
    assert heard.said("another try") == 1


def test_a_lost_head_leaves_it_to_the_driver(cluster: Nodes, settings: Settings) -> None:
    """The last test: there is no cluster after it."""
    cluster.start(1 - len(cluster.nodes))
    heard = Heard({"from scratch: epoch 2": cluster.kill_head})
    result = run(settings, heard, "any")
    assert (result.state, result.details.node) == ("promoted", None)
    assert heard.said("trained on this machine: ") == 1
    assert not links()
