"""GPUs as Ray sees them: who gets one, and what an actor says that cannot use it."""

from __future__ import annotations

import importlib.util
import logging
import time
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
    images, ours = make_plant(tmp_path), [cluster.raylet(number) for number in range(3)]

    def nodes_of_actors(report: str, count: int, **given: int) -> list[int]:
        seen: list[list[int]] = [[]]
        until = time.monotonic() + 60

        def look(_: Done) -> None:
            """The first unit waits for all actors: a night of a second does not."""
            while len(seen[-1]) < count and time.monotonic() < until:
                seen.append(sorted(node for node in map(parent, actors()) if node in ours))
                time.sleep(0.2)

        settings = local_settings(images, tmp_path / report)
        settings = settings.model_copy(update={"executor": cluster.settings(**given)})
        result = inspect_night(settings, NIGHT, progress=look)
        assert (result.found, result.failed_units, result.state) == (FOUND, (), "complete")
        return max(seen, key=len)

    with caplog.at_level(logging.WARNING, "steelflow"):
        assert nodes_of_actors("one", 1, actors=1) == [ours[1]], "the GPU comes first"
    warnings = [one.getMessage() for one in caplog.records if "Ray gave a GPU" in one.getMessage()]
    assert len(warnings) == 1
    assert "does not use it, so the CPU judges; install onnxruntime-gpu there" in warnings[0]
    assert nodes_of_actors("all", 3) == sorted([ours[0], ours[1], ours[1]])
