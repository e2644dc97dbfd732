"""GPUs as Ray sees them: who gets one, and what an actor says that cannot use it."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from plants import FOUND, NIGHT, local_settings, make_plant
from ray_cluster import Nodes, actors, parent

from steelflow.inspection.pipeline import Done
from steelflow.night.run import inspect_night

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed"),
    pytest.mark.skipif(Path("/proc/driver/nvidia").exists(), reason="this machine has a GPU: an actor would use it"),
]


@pytest.fixture
def cluster() -> Iterator[Nodes]:
    with pytest.MonkeyPatch.context() as patch:
        nodes = Nodes(patch)
        yield nodes
        nodes.end()


def test_who_gets_a_gpu_and_what_an_actor_says_that_cannot_use_it(
    cluster: Nodes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A node of a core, one of two cores and a GPU, and one with a GPU and no core to use it with."""
    cluster.start(cpus=1)
    cluster.start(cpus=2, gpus=1)
    cluster.start(cpus=0, gpus=1)
    images = make_plant(tmp_path)

    def nodes_of_actors(report: str, **given: int) -> list[int]:
        seen: list[list[int]] = []

        def look(_: Done) -> None:
            seen.append(sorted(map(parent, actors())))

        settings = local_settings(images, tmp_path / report)
        settings = settings.model_copy(update={"executor": cluster.settings(**given)})
        result = inspect_night(settings, NIGHT, progress=look)
        assert (result.found, result.failed_units, result.state) == (FOUND, (), "complete")
        return max(seen, key=len)

    with caplog.at_level(logging.WARNING, "steelflow"):
        assert nodes_of_actors("one", actors=1) == [cluster.raylet(1)], "the GPU comes first"
    warnings = [one.getMessage() for one in caplog.records if "Ray gave a GPU" in one.getMessage()]
    assert len(warnings) == 1
    assert "does not use it, so the CPU judges; install onnxruntime-gpu there" in warnings[0]
    assert nodes_of_actors("all") == sorted([cluster.raylet(0), cluster.raylet(1), cluster.raylet(1)])
